/** What a cacher of frames says went wrong, before it is known which one and which frame. */
export class FrameProblem extends Error {
  constructor(
    message: string,
    readonly hint?: string,
  ) {
    super(message)
  }
}
