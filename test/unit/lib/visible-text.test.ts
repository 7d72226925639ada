import { describe, expect, test } from 'vitest'
import { makeVisible, oneLine, visibleText } from '../../../src/lib/visible-text.ts'

const ESC = '\x1b'
const BEL = '\x07'

describe('ANSI sequences are removed', () => {
  test.each([
    ['a colour', `${ESC}[1;31mred${ESC}[0m`, 'red'],
    ['a colour with colons (ISO 8613-6)', `${ESC}[38:2::255:0:0mred${ESC}[m`, 'red'],
    ['a private mode', `${ESC}[?25lhidden${ESC}[?25h`, 'hidden'],
    ['a sequence with intermediate bytes', `${ESC}[0 qcursor${ESC}[!p`, 'cursor'],
    ['a long parameter', `${ESC}[123456789mtext`, 'text'],
    ['a clear screen', `${ESC}[2J${ESC}[Htop`, 'top'],
    ['a C1 CSI', '\x9b31mred\x9b0m', 'red'],
    ['an OSC 8 link ended by BEL', `${ESC}]8;;http://h/?a=b c${BEL}link${ESC}]8;;${BEL}`, 'link'],
    ['an OSC 8 link ended by ST', `${ESC}]8;;http://h/${ESC}\\link${ESC}]8;;${ESC}\\`, 'link'],
    ['an OSC 52 that would write the clipboard', `${ESC}]52;c;aGVsbG8=${BEL}text`, 'text'],
    ['a window title with spaces', `${ESC}]0;my title${BEL}text`, 'text'],
    ['a C1 OSC', '\x9d0;title\x9ctext', 'text'],
    ['a DCS', `${ESC}P1$r0m${ESC}\\text`, 'text'],
    ['an APC', `${ESC}_Gi=1;AAAA${ESC}\\text`, 'text'],
    ['a character set', `${ESC}(Btext`, 'text'],
    ['save and restore', `${ESC}7text${ESC}8`, 'text'],
    ['a full reset', `${ESC}ctext`, 'text'],
  ])('%s', (_, given, shown) => expect(makeVisible(given)).toBe(shown))

  test.each([
    ['an OSC that does not end', `${ESC}]52;c;AAAA`, '\\x1b]52;c;AAAA'],
    ['an OSC that would swallow the next line', `${ESC}]0;a\nb${BEL}`, '\\x1b]0;a\nb\\x07'],
    ['a CSI without its last byte', `${ESC}[1;2`, '\\x1b[1;2'],
    ['a lone ESC', `a${ESC}`, 'a\\x1b'],
  ])('%s is shown, not interpreted', (_, given, shown) => expect(makeVisible(given)).toBe(shown))
})

describe('other control characters are written visibly', () => {
  test.each([
    ['NUL', 'a\0b', 'a\\x00b'],
    ['BEL', 'a\x07b', 'a\\x07b'],
    ['backspace', 'ab\b\bcd', 'ab\\x08\\x08cd'],
    ['vertical tab and form feed', 'a\x0bb\x0cc', 'a\\x0bb\\x0cc'],
    ['DEL', 'a\x7fb', 'a\\x7fb'],
    ['C1', 'a\x85b\x8dc', 'a\\x85b\\x8dc'],
    ['line and paragraph separators', 'a\u2028b\u2029c', 'a\\u{2028}b\\u{2029}c'],
  ])('%s', (_, given, shown) => expect(makeVisible(given)).toBe(shown))

  test('tab and line feed stay', () => expect(makeVisible('a\tb\nc')).toBe('a\tb\nc'))
})

describe('characters that hide or turn text are written visibly', () => {
  test.each([
    ['right-to-left override', 'a\u202eb', 'a\\u{202e}b'],
    ['bidirectional isolates', '\u2066a\u2069', '\\u{2066}a\\u{2069}'],
    ['left-to-right and Arabic letter marks', 'a\u200eb\u061cc', 'a\\u{200e}b\\u{61c}c'],
    ['zero-width space', 'a\u200bb', 'a\\u{200b}b'],
    ['word joiner', 'a\u2060b', 'a\\u{2060}b'],
    ['byte order mark within text', 'a\ufeffb', 'a\\u{feff}b'],
    ['soft hyphen', 'a\u00adb', 'a\\xadb'],
    ['Hangul filler', 'a\u3164b', 'a\\u{3164}b'],
    ['tag characters', 'a\u{e0041}\u{e007f}b', 'a\\u{e0041}\\u{e007f}b'],
    ['a run of variation selectors', '😀\u{e0101}\u{e0102}', '😀\\u{e0101}\\u{e0102}'],
    ['interlinear annotation', 'a\ufff9b', 'a\\u{fff9}b'],
    ['a joiner between ASCII letters', 'pass\u200dword', 'pass\\u{200d}word'],
    ['a joiner at the end', 'é\u200d', 'é\\u{200d}'],
    ['bits in a run of joiners', 'é\u200c\u200d\u200c\u200cé', 'é\\u{200c}\\u{200d}\\u{200c}\\u{200c}é'],
  ])('%s', (_, given, shown) => expect(makeVisible(given)).toBe(shown))
})

describe('ordinary text is left alone', () => {
  test.each([
    ['a family of emoji with joiners', '👨\u200d👩\u200d👧'],
    ['an emoji with selector and joiner', '❤\ufe0f\u200d🔥 ✔\ufe0f'],
    ['a keycap', '1\ufe0f\u20e3'],
    ['Persian with a non-joiner', 'می\u200cخواهم'],
    ['Hindi with a joiner', 'क्\u200dष'],
    ['accents, CJK, box drawing', 'naïve 日本語 ─┐'],
  ])('%s', (_, text) => expect(makeVisible(text)).toBe(text))
})

describe('a line that was overwritten shows its last state', () => {
  test.each([
    ['progress', '10%\r50%\r100%\n', '100%\n'],
    ['progress that ends with a return', 'a\nb 10%\rb 20%\r', 'a\nb 20%'],
    ['CRLF line ends', 'a\r\nb\r\n', 'a\nb\n'],
    ['doubled returns', 'a\r\r\nb', 'a\nb'],
    ['only returns', '\r\r\r', ''],
    ['a return after a colour', `${ESC}[32m1/2${ESC}[0m\r${ESC}[32m2/2${ESC}[0m`, '2/2'],
  ])('%s', (_, given, shown) => expect(makeVisible(given)).toBe(shown))
})

describe('bytes', () => {
  test('that are not UTF-8 become U+FFFD', () => {
    expect(visibleText(Buffer.from([0x61, 0xff, 0xc3, 0x28, 0xe2, 0x82]))).toBe('a\ufffd\ufffd(\ufffd')
  })

  test('are read from the view alone, not from the buffer around it', () => {
    expect(visibleText(new Uint8Array(Buffer.from('abcdef')).subarray(2, 4))).toBe('cd')
  })

  test('of an encoded C1 CSI are removed too', () => {
    expect(visibleText(Buffer.from([0xc2, 0x9b, 0x33, 0x31, 0x6d, 0x78]))).toBe('x')
  })
})

describe('hostile megabytes take time in proportion to their length', () => {
  const MIB = 1024 * 1024
  test.each([
    ['carriage returns', '\r'],
    ['escapes', ESC],
    ['open CSIs', `${ESC}[1;`],
    ['open OSCs', `${ESC}]8;;a`],
    ['open C1 strings', '\x90'],
    ['C1 CSIs with parameters', '\x9b1'],
    ['joiners', '\u200d'],
    ['one open OSC', `${ESC}]${'a'.repeat(MIB)}`],
  ])('%s', (_, unit) => {
    const given = unit.repeat(Math.ceil(MIB / unit.length))
    const started = performance.now()
    makeVisible(given)
    // Linear work takes some 100 ms here; the square of it minutes.
    expect(performance.now() - started).toBeLessThan(4000)
  })
})

describe('one line', () => {
  test('holds no line end, tab or control', () => {
    expect(oneLine('a\nb\r\nc\td\x1b[31me\u202e')).toBe('a\\nb\\r\\nc\\tde\\u{202e}')
  })

  test('is cut at the given length', () => {
    expect(oneLine('abcdef', 3)).toBe('abc…')
    expect(oneLine('abc', 3)).toBe('abc')
  })

  test('is not cut within a character', () => {
    expect(oneLine('ab😀cd', 3)).toBe('ab…')
  })
})
