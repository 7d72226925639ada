/** Most that one result may cost the model, in tokens; clients cut or refuse what is longer. */
export const MAX_RESULT_TOKENS = 25_000
/** What the body of a result may take of it: the rest is for footer, notice and markers. */
export const MAX_BODY_TOKENS = 23_500

/**
 * Cost in tokens of one UTF-16 unit by its kind, fitted against the o200k and cl100k encodings so that neither prose nor code nor
 * random base64, digits, rare scripts or control garbage is rated too low.
 */
const KIND_COSTS = [0.32, 0.5, 0.55, 0.15, 0.67, 1.3, 2.4, 2]
const [LOWER, UPPER, DIGIT, SPACE, OTHER, COMMON_SCRIPT, RARE_SCRIPT, SURROGATE] = [0, 1, 2, 3, 4, 5, 6, 7] as const
/** A change of kind inside a word (`aB3`), and letters beyond the length of real words: there, encoders know no long tokens. */
const CHANGE_COST = 0.5
const WORD_LENGTH = 16
const LETTER_COST_IN_LONG_RUN = 0.6

/** An upper estimate of the tokens in a text, without a tokenizer's tables: one pass, no allocation. */
export function estimateTokens(text: string): number {
  let tokens = 0
  let before: number = SPACE
  let run = 0
  for (let at = 0; at < text.length; at++) {
    const kind = kindOf(text.charCodeAt(at))
    run = kind === before ? run + 1 : 0
    tokens += run > WORD_LENGTH && kind <= UPPER ? LETTER_COST_IN_LONG_RUN : (KIND_COSTS[kind] ?? 0)
    if (kind !== before && kind <= DIGIT && before <= DIGIT) tokens += CHANGE_COST
    before = kind
  }
  return Math.ceil(tokens)
}

function kindOf(code: number): number {
  if (code >= 0x61 && code <= 0x7a) return LOWER
  if (code >= 0x41 && code <= 0x5a) return UPPER
  if (code >= 0x30 && code <= 0x39) return DIGIT
  if (code === 0x20) return SPACE
  if (code < 0x80) return OTHER
  if (code >= 0xd800 && code <= 0xdfff) return SURROGATE
  const isCommon =
    code < 0x600 || (code >= 0x2000 && code < 0x9fff) || (code >= 0xac00 && code <= 0xd7a3) || code === 0xfffd
  return isCommon ? COMMON_SCRIPT : RARE_SCRIPT
}

/** True when the text may be shown whole; short text is not even looked at. */
export function fitsTokens(text: string, maxTokens: number): boolean {
  return text.length * Math.max(...KIND_COSTS) <= maxTokens || estimateTokens(text) <= maxTokens
}
