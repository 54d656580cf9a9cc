/**
 * The folder of an authority: `root.key` (0600) and `root.pem` (0644, to be copied to whoever shall trust it), nothing else.
 *
 * Both files come into being in one step: they are written and synced in a new folder beside, which is then renamed
 * to the wanted name. rename(2) replaces an empty directory and refuses one that is not, so of several agents that
 * start at once exactly one wins and all others find its files. A crash leaves either both or none.
 */

import { chmodSync, closeSync, constants, existsSync, fsyncSync, fstatSync, mkdirSync, mkdtempSync, openSync, readFileSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { IdentityError } from './error.ts'
import { codeOf, messageOf } from '../lib/error.ts'

/** The content of both files, as text. */
export interface AuthorityFiles {
  readonly keyPem: string
  readonly certificatePem: string
}

/** PKCS#8 in PEM, mode 0600. */
export const keyFile = 'root.key'
/** The root in PEM, mode 0644: what others copy to trust this authority. */
export const certificateFile = 'root.pem'

const maxFileBytes = 64 * 1024

/** The two files; makes them with `create` when there is no folder yet, or an empty one. Throws `bad-authority`. */
export function openAuthorityFolder (folder: string, create: () => AuthorityFiles): AuthorityFiles {
  const path = existsSync(folder) ? realpathSync(folder) : resolve(folder)
  try {
    if (!has(path, keyFile) && !has(path, certificateFile)) createFolder(path, create())
    return readFolder(path)
  } catch (cause) {
    if (cause instanceof IdentityError) throw cause
    throw refused(folder, messageOf(cause))
  }
}

function readFolder (folder: string): AuthorityFiles {
  const key = has(folder, keyFile)
  const certificate = has(folder, certificateFile)
  if (key && !certificate) throw refused(folder, `${keyFile} is there without ${certificateFile}`)
  if (!key && certificate) throw refused(folder, `${certificateFile} is there without ${keyFile}; to only trust that root, name the file under trust`)
  if (!key) throw refused(folder, 'it holds other files; the authority wants a folder of its own')
  // Whoever may write into the folder may put a root of his own there.
  if ((statSync(folder).mode & 0o022) !== 0) throw refused(folder, 'others may write into it (chmod go-w)')
  return { keyPem: readKey(folder), certificatePem: readBounded(folder, certificateFile, () => {}) }
}

function readKey (folder: string): string {
  return readBounded(folder, keyFile, mode => {
    if ((mode & 0o077) !== 0) throw refused(folder, `others may read ${keyFile} (chmod 600); if they have, it is worth nothing any more`)
  })
}

/** Looks at the very file that it then reads. */
function readBounded (folder: string, name: string, check: (mode: number) => void): string {
  const fd = openSync(join(folder, name), 'r')
  try {
    const { mode, size } = fstatSync(fd)
    check(mode)
    if (size > maxFileBytes) throw refused(folder, `${name} takes ${size} bytes`)
    return readFileSync(fd, 'utf8')
  } finally {
    closeSync(fd)
  }
}

function createFolder (folder: string, { keyPem, certificatePem }: AuthorityFiles): void {
  const parent = dirname(folder)
  mkdirSync(parent, { recursive: true })
  const draft = mkdtempSync(join(parent, `.${basename(folder)}.new-`)) // made 0700
  try {
    writeSynced(join(draft, keyFile), keyPem, 0o600)
    writeSynced(join(draft, certificateFile), certificatePem, 0o644)
    syncFolder(draft)
    publish(draft, folder)
    syncFolder(parent)
  } finally {
    rmSync(draft, { recursive: true, force: true })
  }
}

/** Gives the draft its name, unless somebody else was first. */
function publish (draft: string, folder: string): void {
  try {
    renameSync(draft, folder)
  } catch (cause) {
    const code = codeOf(cause)
    if (code === 'ENOTEMPTY' || code === 'EEXIST') return
    if (code === 'EBUSY' || code === 'EXDEV') throw refused(folder, 'it is a mount point; name a folder below it')
    throw cause
  }
}

function writeSynced (path: string, text: string, mode: number): void {
  writeFileSync(path, text, { flag: 'wx', mode, flush: true })
  chmodSync(path, mode) // the umask may have taken the readers of root.pem away
}

function syncFolder (folder: string): void {
  const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY)
  try { fsyncSync(fd) } finally { closeSync(fd) }
}

function has (folder: string, name: string): boolean {
  return existsSync(join(folder, name))
}

function refused (folder: string, message: string): IdentityError {
  return new IdentityError('bad-authority', `authority ${folder}: ${message}`)
}
