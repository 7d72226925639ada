/** As the setting `user`: UTF-16 units. */
const MAX_CHARACTERS = 256
/** Controls, invisible format characters, halves of surrogate pairs, unassigned and private code points, line separators. */
const HIDDEN = /[\p{C}\p{Zl}\p{Zp}]/u

/**
 * True for text that can be a user: bounded, valid Unicode, and visible, so that two users never look the same in a log or a list by a
 * character that nobody sees. What it is beyond that does not matter, since names of containers are made of its hash.
 */
export function isUserName(text: string): boolean {
  return text !== '' && text.length <= MAX_CHARACTERS && text === text.trim() && !HIDDEN.test(text)
}
