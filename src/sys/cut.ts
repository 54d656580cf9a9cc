/** The end of a process that cannot end its connections one by one. */

import { readdirSync, readlinkSync } from 'node:fs'
import { resetOnClose } from './sockopt.ts'

/**
 * Makes the close of every socket of this process a reset, also when the kernel closes them because the process ends. What nobody
 * can finish must not look finished: an application would take the FIN for the end of the bytes.
 */
export function resetEverythingOnClose (): void {
  for (const name of readdirSync('/proc/self/fd')) {
    try {
      if (readlinkSync(`/proc/self/fd/${name}`).startsWith('socket:')) resetOnClose(Number(name))
    } catch {
      // Gone by now: the descriptor that the folder was read by, or one that a living relay thread has closed meanwhile.
    }
  }
}
