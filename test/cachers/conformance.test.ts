import { afterAll } from 'vitest'
import { cacherSuite } from '../suites/cacher.js'
import bytes from './specs/bytes.js'
import fileReference, { removeFiles } from './specs/file-reference.js'
import json from './specs/json.js'
import msgpack from './specs/msgpack.js'
import tensor from './specs/tensor.js'
import text from './specs/text.js'

cacherSuite(json)
cacherSuite(msgpack)
cacherSuite(text)
cacherSuite(bytes)
cacherSuite(tensor)
cacherSuite(fileReference)

afterAll(removeFiles)
