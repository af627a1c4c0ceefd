import { describe, expect, test } from 'vitest'
import { InvalidNameError } from '../../src/errors.js'
import { checkArtifactName, checkExtension, checkRole, checkRoles, keyPath, segment } from '../../src/identity/path.js'

describe('a key whose parts are safe everywhere is its own path', () => {
  test.each([
    'a',
    'demo/seed=1/metrics',
    'v1.0/x_y',
    '0',
    'a=(1,2)',
    'x'.repeat(100),
    'constructor',
    'a.b.c/d-e',
    'coded/entry2',
  ])('%j', (key) => {
    expect(keyPath(key)).toBe(`artifacts/${key}`)
  })
})

describe('a part that is not gets a label and a hash', () => {
  // Hashes by Python: base64.b32encode(hashlib.sha256(part.encode()).digest()[:10]).
  test.each<[string, string, string]>([
    ['upper case', 'Foo', 'Foo~ds7mon7ympsjelho'],
    ['accents, composed', '\u00e9', 'x~jkmvk7sagpbvhhpc'],
    ['a space', 'a b', 'a-b~zbuhucfklvxnebcd'],
    ['a dot at the end', 'a.', 'a-~lk3eb6wvkpf7sj64'],
    ['a dot at the start', '.a', 'a~gz4xyov2d33k4m7m'],
    ['a dash at the start', '-a', 'a~yj2isf4qgrofntxt'],
    ['a tilde', 'a~b', 'a-b~sqksrzphpsnb6prp'],
    ['NUL', 'a\u0000b', 'a-b~lgzhdlq3xsy5ghkb'],
    ['a Windows device', 'con', 'con~cfb5uk6fjrevys7d'],
    ['a Windows device with extension', 'con.txt', 'con-txt~2o66fbx5e4pnnu4t'],
    ['a reserved name', 'entry', 'entry~si76kolgy3gzgq7b'],
    ['a sidecar', 'x.meta.json', 'x-meta-json~jiecgjpbl3xps7yb'],
    ['__proto__', '__proto__', 'proto__~gdrk6ocbq22x7wqb'],
    ['101 bytes', 'x'.repeat(101), `${'x'.repeat(80)}~yz22fzqewdgrekoa`],
  ])('%s', (_, part, folder) => {
    expect(segment(part)).toBe(folder)
    expect(keyPath(`demo/${part}/m`)).toBe(`artifacts/demo/${folder}/m`)
  })

  test.each([
    '\u00e9 decomposed: e\u0301',
    '日本語',
    '😀',
    'a\\b',
    'c:',
    'a:b',
    '~',
    '~root',
    '$HOME',
    'a\nb',
    '\u202e',
    ' ',
    '…',
    'COM1',
    'lpt9.x',
    'nul',
    'aux.tar.gz',
    'error.json',
    'error',
    'items',
    'config.yaml',
    'uid.yaml',
    'full-uid',
    'job',
    'code',
    'code.py',
    'x.META.JSON',
    '.tmp-host-1-00000000-00',
    'x'.repeat(10_240),
    '日'.repeat(10_240),
  ])('%j', (part) => {
    const folder = segment(part)
    expect(folder).toMatch(/^[A-Za-z0-9][A-Za-z0-9_=,()-]*~[a-z2-7]{16}$/)
    expect(folder.length).toBeLessThanOrEqual(97)
    expect(keyPath(part)).toBe(`artifacts/${folder}`)
  })
})

test('case twins and Unicode twins get different folders, also where case and form do not count', () => {
  const twins = ['foo', 'Foo', 'FOO', 'fOO', '\u00e9', 'e\u0301', '\u00c9', 'ﬁ', 'fi', 'K', 'k', '\u212a', 'ß', 'ss']
  const folders = twins.map((name) => keyPath(name).normalize('NFC').toLowerCase())
  expect(new Set(folders).size).toBe(twins.length)
})

describe('what cannot be a key', () => {
  test.each<[string, string]>([
    ['', 'an empty part'],
    ['/', 'an empty part'],
    ['/a', 'an empty part'],
    ['a/', 'an empty part'],
    ['a//b', 'an empty part'],
    ['.', 'the part .'],
    ['..', 'the part ..'],
    ['../a', 'the part ..'],
    ['a/../../b', 'the part ..'],
    ['a/./b', 'the part .'],
    ['\ud800', 'surrogate'],
    ['a/\udc00b', 'surrogate'],
    [Array.from({ length: 60 }, () => 'part-of-it').join('/'), 'at most 512'],
  ])('%j', (key, reason) => {
    expect(() => keyPath(key)).toThrow(InvalidNameError)
    expect(() => keyPath(key)).toThrow(reason)
  })

  test('the error quotes no more than 200 characters of it', () => {
    const key = `${'x'.repeat(100)}/`.repeat(100)
    expect(() => keyPath(key)).toThrow(InvalidNameError)
    try {
      keyPath(key)
    } catch (error) {
      expect((error as Error).message.length).toBeLessThan(500)
    }
  })
})

describe('the last part of the key of a stage', () => {
  const tail = 'abcdefgh234567ab'

  test('keeps its case: it ends in a hash of the key, so it has no twin', () => {
    expect(keyPath(`mod.fn,1/Name=Foo-${tail}`)).toBe(`artifacts/mod.fn,1/Name=Foo-${tail}`)
  })

  test.each([
    ['without a space before it', `Name=Foo-${tail}`],
    ['in the middle', `mod.fn,1/Name=Foo-${tail}/x`],
    ['below a name without a comma', `demo/Name=Foo-${tail}`],
    ['with a tail that is too short', `mod.fn,1/Name=Foo-${tail.slice(1)}`],
    ['with a tail of other characters', `mod.fn,1/Name=Foo-${tail.slice(1)}1`],
  ])('does not %s', (_, key) => {
    expect(keyPath(key)).toMatch(/Name=Foo-[a-z0-9]*~/)
  })

  test('is hashed when its label begins with a reserved name and a dot', () => {
    expect(keyPath(`mod.fn,1/code.x=1-${tail}`)).toMatch(/code-x=1-[a-z0-9]*~/)
  })
})

describe('names of artifacts', () => {
  test.each(['model', 'a', '_x', '0', 'Model_2-b', 'value', 'x'.repeat(80), 'entry2', 'constructor'])(
    '%j is one',
    (name) => {
      expect(checkArtifactName(name)).toBe(name)
    },
  )
  test.each([
    '',
    'a.b',
    'a/b',
    '..',
    '-a',
    'a b',
    'é',
    'x'.repeat(81),
    'a\n',
    'entry',
    'Entry',
    'ERROR',
    'items',
    'config',
    'uid',
    'full-uid',
    'job',
    'code',
    'con',
    'COM1',
    '__proto__',
  ])('%j is none', (name) => {
    expect(() => checkArtifactName(name)).toThrow(InvalidNameError)
  })
})

describe('extensions', () => {
  test.each(['', '.json', '.tar.gz', '.npy', '.a_b-c'])('%j is one', (text) => {
    expect(checkExtension(text)).toBe(text)
  })
  test.each(['json', '.', '.a.', './x', '.a/b', '.meta.json', '.x.Meta.JSON', '. json', `.${'x'.repeat(40)}`])(
    '%j is none',
    (text) => {
      expect(() => checkExtension(text)).toThrow(InvalidNameError)
    },
  )
})

describe('files of an artifact', () => {
  test.each(['a', 'model/part-0', 'a.b/c d', 'é.txt', 'Entry.json', '...', 'x'.repeat(400)])(
    '%j may be one',
    (role) => {
      expect(checkRole(role)).toBe(role)
    },
  )
  test.each([
    '',
    '/a',
    'a/',
    'a//b',
    '.',
    '..',
    '../a',
    'a/../b',
    'a\\b',
    'c:/x',
    'a:b',
    'a\u0000',
    'a\nb',
    'con',
    'x/NUL.txt',
    '\ud800',
    'x'.repeat(401),
  ])('%j may not', (role) => {
    expect(() => checkRole(role)).toThrow(InvalidNameError)
  })
  test.each([[['a', 'a']], [['a', 'A']], [['\u00e9', 'e\u0301']], [['a', 'a/b']], [['a/b', 'A']], [['x/y/z', 'x/y']]])(
    'not both of %j',
    (roles) => {
      expect(() => checkRoles(roles)).toThrow(InvalidNameError)
      expect(() => checkRoles([...roles].reverse())).toThrow(InvalidNameError)
    },
  )
  test('but files in different folders, and names that only begin alike', () => {
    expect(() => checkRoles(['a/x', 'b/x', 'ab', 'a-b', 'c/d/e', 'c/d/f'])).not.toThrow()
  })
})
