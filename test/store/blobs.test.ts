import { loadChecksums } from '../../src/store/checksum.js'
import { MemoryBlobs } from '../../src/store/memory-blobs.js'
import { bareBlobs } from '../helpers/stores.js'
import { tempDir } from '../helpers/temp.js'
import { temporariesBelow } from '../helpers/tree.js'
import { blobSuite } from '../suites/blobs.js'

for (const durable of [false, true]) {
  blobSuite({
    name: `blobs in a folder, durability ${durable ? 'artifact' : 'cache'}`,
    async setup() {
      await loadChecksums()
      const dir = tempDir()
      return { ...bareBlobs(dir.path, { durable }), dir, leftovers: () => temporariesBelow(dir.path) }
    },
    teardown: ({ dir }) => dir[Symbol.asyncDispose](),
  })
}

blobSuite({ name: 'blobs in memory', setup: () => ({ blobs: new MemoryBlobs() }) })
