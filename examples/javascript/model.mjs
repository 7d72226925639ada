import { AIMessage, fakeModel, initChatModel } from 'langchain'

/**
 * The model of these examples: the one that MODEL names ("anthropic:claude-sonnet-4-5", with its package and key), else one that plays
 * these turns, so that the examples run without a key. A turn is a list of tool calls, or the text of the last answer.
 */
export function chatModel(turns) {
  const { MODEL } = process.env
  if (MODEL) return initChatModel(MODEL)
  return turns.reduce(
    (model, turn) => (typeof turn === 'string' ? model.respond(new AIMessage(turn)) : model.respondWithTools(turn)),
    fakeModel(),
  )
}
