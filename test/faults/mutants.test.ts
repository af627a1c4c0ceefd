import { testRows } from './rows.js'

testRows({ 25: 'the store without any one of its guards fails a row' })
