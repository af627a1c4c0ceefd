import { afterAll } from 'vitest'
import { cacherSuite } from '../suites/cacher.js'
import arrow from './specs/arrow.js'
import bytes from './specs/bytes.js'
import csv from './specs/csv.js'
import directory, { removeFolders } from './specs/directory.js'
import fileReference, { removeFiles } from './specs/file-reference.js'
import json from './specs/json.js'
import jsonFrame from './specs/json-frame.js'
import msgpack from './specs/msgpack.js'
import notebook from './specs/notebook.js'
import parquet from './specs/parquet.js'
import plainCsv from './specs/plain-csv.js'
import plainJsonFrame from './specs/plain-json-frame.js'
import safetensors from './specs/safetensors.js'
import tensor from './specs/tensor.js'
import text from './specs/text.js'

cacherSuite(json)
cacherSuite(msgpack)
cacherSuite(text)
cacherSuite(bytes)
cacherSuite(tensor)
cacherSuite(fileReference)
cacherSuite(safetensors)
cacherSuite(directory)
cacherSuite(notebook)
cacherSuite(arrow)
cacherSuite(parquet)
cacherSuite(csv)
cacherSuite(jsonFrame)
cacherSuite(plainCsv)
cacherSuite(plainJsonFrame)

afterAll(removeFiles)
afterAll(removeFolders)
