/**
 * The page at `/`: how the agent is, and where to look further. Plain HTML that reloads itself.
 *
 * Everything in it that came from elsewhere (labels, names, reasons that a peer sent) goes through `html`, which escapes.
 */

import type { FlowEnd, FlowRecord } from '../model/flow.ts'
import type { Condition, ReadinessStatus } from '../observe/index.ts'
import type { AdminView } from './pages.ts'

/** Text that is HTML already. Only `html` makes it. */
class Html {
  readonly text: string
  constructor (text: string) { this.text = text }
}

/** How many of the latest flows the page shows. */
const shownFlows = 25

const style = `
:root { color-scheme: light dark; --line: light-dark(#ccc, #444); --dim: light-dark(#555, #aaa); --ok: light-dark(#0a6b2d, #5fd38a); --bad: light-dark(#b00020, #ff8a8a) }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin-top: 2rem }
nav a { margin-right: 1rem }
table { border-collapse: collapse; width: 100%; font-size: .9rem } th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top }
.wide { overflow-x: auto } .ok { color: var(--ok) } .bad { color: var(--bad) } .dim { color: var(--dim) }`

export function renderHome (view: AdminView): string {
  const { node, cluster, version } = view.about
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta http-equiv="refresh" content="5">
<title>liburna on ${node}</title><style>${new Html(style)}</style></head><body>
<h1>liburna on ${node} <span class="dim">cluster ${cluster}, version ${version}</span></h1>
${renderReadiness(view.readiness())}
<nav>${['metrics', 'healthz', 'readyz', 'flows', 'connections', 'policies', 'workloads'].map(name => html`<a href="/${name}">/${name}</a>`)}</nav>
<h2>Now</h2><table><tbody>${(['workloads', 'connections', 'policies'] as const).map(name => html`<tr><th>${name}</th><td>${view.dumps[name]().length}</td></tr>`)}</tbody></table>
<h2>Latest flows</h2>${renderFlows(view.flows().slice(-shownFlows).reverse())}
</body></html>
`.text
}

function renderReadiness ({ ready, awaited, troubles }: ReadinessStatus): Html {
  return html`<p>${ready ? html`<b class="ok">ready</b>` : html`<b class="bad">not ready</b>`}</p>
${renderConditions('Waiting for', awaited)}${renderConditions('Trouble', troubles)}`
}

function renderConditions (title: string, conditions: readonly Condition[]): Html {
  if (conditions.length === 0) return html``
  return html`<h2>${title}</h2><ul>${conditions.map(({ name, detail }) => html`<li><b>${name}</b> ${detail}</li>`)}</ul>`
}

function renderFlows (flows: readonly FlowRecord[]): Html {
  if (flows.length === 0) return html`<p class="dim">none yet</p>`
  return html`<div class="wide"><table><thead><tr><th>time</th><th>direction</th><th>from</th><th>to</th><th>verdict</th><th>decided by</th><th>outcome</th></tr></thead>
<tbody>${flows.map(renderFlow)}</tbody></table></div>`
}

function renderFlow (flow: FlowRecord): Html {
  const seen = flow.verdict === 'allowed' ? 'ok' : flow.verdict === 'denied' ? 'bad' : 'dim'
  return html`<tr><td>${flow.time.slice(11, 23)}</td><td>${flow.direction}</td><td>${nameOf(flow.source)}</td><td>${nameOf(flow.destination)}</td>
<td class="${seen}">${flow.verdict}</td><td>${flow.decidedBy}<br><span class="dim">${flow.reason}</span></td><td>${flow.outcome} <span class="dim">${flow.detail}</span></td></tr>`
}

function nameOf (end: FlowEnd): string {
  return end.name === '' ? end.address : `${end.cluster}/${end.namespace}/${end.name} (${end.address})`
}

type Part = string | number | Html | readonly Html[]

function html (strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(strings.map((text, i) => text + toText(parts[i] ?? '')).join(''))
}

function toText (part: Part): string {
  if (part instanceof Html) return part.text
  if (typeof part === 'object') return part.map(toText).join('')
  return String(part).replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)
}
