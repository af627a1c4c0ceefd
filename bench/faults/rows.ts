import * as kills from './01-kills.js'
import type { Row } from './harness/row.js'

export const rows: readonly Row[] = [{ row: '1', title: 'writers killed by SIGKILL', ...kills }]
