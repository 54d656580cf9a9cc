/** Writes YAML for people: plain data with comments at places. */

import { Document, isNode } from 'yaml'
import type { YamlPath } from './yaml.ts'

export interface YamlText {
  /** Plain data. */
  readonly value: unknown
  readonly comments: readonly { readonly path: YamlPath, readonly text: string }[]
}

/** Documents one after another. A comment is one line, whatever is in it; one at a path that is not there is left out. */
export function formatYaml (documents: readonly YamlText[]): string {
  return documents.map(({ value, comments }) => {
    const document = new Document(value, { aliasDuplicateObjects: false })
    for (const { path, text } of comments) {
      const node = path.length === 0 ? document.contents : document.getIn(path, true)
      if (isNode(node)) node.commentBefore = ` ${text.replace(/[\u0000-\u001F\u007F-\u009F\u2028\u2029]/g, ' ')}`
    }
    return document.toString({ lineWidth: 0 })
  }).join('---\n')
}
