import type { Context } from './context.js'

/** An option as the help shows it: `--json`, `--nearest <n>`, `-h, --help`. */
export interface OptionHelp {
  readonly flag: string
  readonly text: string
}

/** A command: what its help says, and where its code is. */
export interface CommandHelp {
  readonly name: string
  /** What follows `curio`. */
  readonly usage: string
  /** For the list of commands. */
  readonly summary: string
  /** Paragraphs, one string each. */
  readonly about: readonly string[]
  readonly options: readonly OptionHelp[]
  readonly examples: readonly (readonly [line: string, what: string])[]
  /** How many arguments it takes. */
  readonly takes: readonly [least: number, most: number]
  load(): Promise<(context: Context) => Promise<number>>
}

export const globalOptions: readonly OptionHelp[] = [
  {
    flag: '--store <folder>',
    text: 'the store; default: $CURIO_STORE, else the nearest .curio folder upward from here',
  },
  { flag: '--json', text: 'one JSON document on standard output, errors as JSON on standard error' },
  { flag: '--no-color', text: 'no colours; NO_COLOR does the same, and so does any output that is no terminal' },
  { flag: '--trust-world-writable', text: 'open a folder that anyone on this machine may write to' },
  { flag: '-h, --help', text: 'this help' },
  { flag: '--version', text: 'the version of curio' },
]

const keyHelp =
  'A key may be given whole, by any part of it that only one key has (the 16 characters at its end will do), or as the path of a file in its folder.'

export const commands: readonly CommandHelp[] = [
  {
    name: 'ls',
    usage: 'ls [prefix]',
    summary: 'list what is stored',
    about: [
      'One line for each entry: number of artifacts, their size, age, key. Entries whose bytes are gone are marked: evicted (none is left) or incomplete (some are).',
    ],
    options: [{ flag: '--long', text: 'also a line for each artifact: name, cacher, size, digest' }],
    examples: [
      ['curio ls', 'everything, sorted by key'],
      ['curio ls demo/', 'what lies below demo/'],
      ["curio ls --json | jq -r '.entries[].key'", 'only the keys'],
    ],
    takes: [0, 1],
    load: async () => (await import('./ls.js')).ls,
  },
  {
    name: 'show',
    usage: 'show <key>',
    summary: 'everything an entry says',
    about: [
      'Parameters, inputs and who made them, code, provenance, and each artifact with its files, its digest and the path of its view. Files of your own in the folder of the key are listed as yours.',
      keyHelp,
    ],
    options: [],
    examples: [
      ['curio show demo/seed=1/metrics', 'a name'],
      ['curio show zx6avotnopq3mzbc', 'a stage, by the end of its key'],
    ],
    takes: [1, 1],
    load: async () => (await import('./show.js')).show,
  },
  {
    name: 'cat',
    usage: 'cat <key>[#artifact] [item]',
    summary: 'print a value',
    about: [
      'JSON and text as they are, a frame as its columns, its number of rows and the first of them, a tensor as its type, shape and statistics, msgpack values as Node prints objects, bytes as a hex dump of their beginning. Every byte is checked before it is shown, and control characters are written out.',
      'Where a key has several artifacts and none is named, all are printed under headings, those of more than 1 MiB as a line.',
      'Of the results of a map or step, how many there are and the first of them, errors too; with an item, that one. An item that begins with a - stands behind a --.',
      keyHelp,
    ],
    options: [
      { flag: '--raw', text: 'the bytes of the file exactly as stored; only into a file or a pipe' },
      { flag: '--file <role>', text: 'with --raw: which file of the artifact; default: its main file' },
    ],
    examples: [
      ['curio cat demo/seed=1/metrics', 'a value'],
      ['curio cat zx6avotnopq3mzbc#model', 'one artifact of a stage'],
      ['curio cat zx6avotnopq3mzbc#model --raw > model.npy', 'its file'],
      ['curio cat 4nlzgb6rtqval5mh 17', 'the result of a map for item 17'],
      ['NODE_OPTIONS="--import ./my-cachers.js" curio cat x', 'with cachers of your own'],
    ],
    takes: [1, 2],
    load: async () => (await import('./cat.js')).cat,
  },
  {
    name: 'why',
    usage: 'why <key or partial>',
    summary: 'explain a miss: what differs from the nearest stored entry',
    about: [
      'Says whether the key would be a hit, which of its bytes are missing or damaged, and in which parameters, inputs, outputs, code or version it differs from the stored entries of the same stage that are nearest to it.',
      'A part of a key, or the id of a stage, stands for the newest entry it matches. A key that is not stored is compared by what its text tells.',
      'The exit code is 0 when the key is a hit, 1 when it is a miss.',
    ],
    options: [{ flag: '--nearest <n>', text: 'compare with the n nearest entries; default 1' }],
    examples: [
      ['curio why train', 'why the newest result of stage train was computed, and not loaded'],
      ['curio why train,1/lr=0.2-zx6avotnopq3mzbc', 'why this key is a miss'],
    ],
    takes: [1, 1],
    load: async () => (await import('./why-command.js')).whyCommand,
  },
  {
    name: 'verify',
    usage: 'verify [--repair]',
    summary: 'read everything and compare it with its digests',
    about: [
      'Reads every entry and every blob. Safe beside running stages. Without --repair nothing is changed.',
      'Bytes that are gone are reported too: an eviction cannot be told from a loss. They cost a computation, never a wrong value.',
      'The exit code is 1 when problems remain.',
    ],
    options: [
      { flag: '--repair', text: 'set damage aside in quarantine/, rewrite views, remove what killed writers left' },
      { flag: '--allow-missing', text: 'bytes that are gone do not count as a problem' },
    ],
    examples: [
      ['curio verify', 'only look'],
      ['curio verify --repair --json', 'for a nightly job'],
    ],
    takes: [0, 0],
    load: async () => (await import('./verify.js')).verify,
  },
  {
    name: 'du',
    usage: 'du',
    summary: 'what takes the space',
    about: [
      'Entries and bytes of each stage, or of the first part of a name. Bytes that several entries share are counted once in each line and once in the total; shared is how much of a line other lines need too.',
      'Items of maps and steps count with what keeps them: segments, and the blobs of large ones.',
    ],
    options: [{ flag: '--top <n>', text: 'how many of the largest artifacts to list; default 10' }],
    examples: [['curio du', 'the whole store']],
    takes: [0, 0],
    load: async () => (await import('./du.js')).du,
  },
  {
    name: 'rm',
    usage: 'rm <key|prefix>',
    summary: 'remove entries and the bytes only they need',
    about: [
      'First says what would go and how many bytes that frees. On a terminal one entry is removed at once; more than one, or anything elsewhere, needs --yes, and without it nothing is changed and the exit code is 2.',
      'A key must be given whole. A prefix ends in / or *: demo/ is everything below demo, demo* every key that starts with demo. Bytes that other entries need stay, and so do files of your own in the folders.',
    ],
    options: [
      { flag: '--yes', text: 'do it' },
      { flag: '--dry-run', text: 'only say what would be done' },
      {
        flag: '--evict',
        text: 'remove the bytes and keep the entries, so that what was computed from them stays valid; items stay',
      },
      { flag: '--all', text: 'also remove files of your own in the folders of these keys' },
    ],
    examples: [
      ['curio rm demo/seed=1/metrics --yes', 'one entry'],
      ["curio rm 'train,1/*' --dry-run", 'what would go'],
      ['curio rm embed,2/ --evict --yes', 'free the space, keep the history'],
    ],
    takes: [1, 1],
    load: async () => (await import('./rm.js')).rm,
  },
  {
    name: 'doctor',
    usage: 'doctor',
    summary: 'check that this machine and this folder can keep a store',
    about: [
      'Node, the folder and its rights, the file system and what a store needs of it (tried with temporary files in the folder), locks held, what killed writers left, free space. A finding comes with the command that helps.',
      'The exit code is 1 when something is wrong, 3 when the store cannot be opened.',
    ],
    options: [],
    examples: [['curio doctor', 'when something is odd, or before a long run in a new place']],
    takes: [0, 0],
    load: async () => (await import('./doctor.js')).doctor,
  },
]
