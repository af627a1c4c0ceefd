import { testRows } from './rows.js'

testRows({
  1: 'writers killed at any moment leave nothing torn, nothing dangling, and lose nothing they acknowledged',
  2: 'writers of items killed at any moment lose nothing they acknowledged, and no reader minds',
  4: 'many processes that save the same bytes make one blob and one entry, and readers never see less or else',
  '5a': 'of many processes with different bytes one wins, the others are told, and a lost winner is replaced by one',
  '5b': 'a second writer in the worst moment loses nothing and overwrites nothing',
  '6a': 'one result is computed once when all is well, and right when its holder is killed, stopped or busy',
  '6b': 'items that many processes want are computed once each, and after a kill what was not yet stored',
  13: 'processes whose clocks are hours and years off take nothing from the living, and what was put last stands',
})
