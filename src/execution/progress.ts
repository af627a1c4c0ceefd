/** How far the computation of many items is, for people. */
const sayEveryMs = { terminal: 500, log: 10_000 }

/**
 * Says on stderr how many of the items are done, how fast it goes and how long it will take: one line on a terminal, one every ten
 * seconds elsewhere when CURIO_PROGRESS is 1. Undefined: nobody looks.
 */
export function progressOf(what: string, out = process.stderr): ((done: number, of: number) => void) | undefined {
  const { CURIO_PROGRESS } = process.env
  if (CURIO_PROGRESS === '0' || (out.isTTY !== true && CURIO_PROGRESS !== '1')) return undefined
  const every = out.isTTY ? sayEveryMs.terminal : sayEveryMs.log
  const started = performance.now()
  let said = started
  return (done, of) => {
    const now = performance.now()
    const isOver = done === of
    if (now - said < every && !(isOver && said > started)) return
    said = now
    const seconds = (now - started) / 1000
    const left = isOver ? `${seconds.toFixed(1)} s` : `${Math.ceil((seconds / done) * (of - done))} s left`
    const line = `${what}: ${done} of ${of}, ${(done / seconds).toPrecision(3)}/s, ${left}`
    out.write(out.isTTY ? `\r\u001b[K  ${line}${isOver ? '\n' : ''}` : `  ${line}\n`)
  }
}
