/** Small requests on connections that stay open. */

import { doubtsOf, wrk } from './wrk.ts'
import type { Trial } from './trial.ts'

export const requests1: Trial = {
  name: 'requests-1',
  about: 'wrk, one connection, one request at a time',
  figures: ['latency-1-p50', 'latency-1-p99'],
  when: 'every-round',
  run: async (subject, { seconds }) => {
    const report = await wrk(subject, { connections: 1, seconds })
    return { sample: { 'latency-1-p50': report.p50, 'latency-1-p99': report.p99 }, doubts: doubtsOf(report), details: { max: report.max } }
  },
}

export const requests64: Trial = {
  name: 'requests-64',
  about: 'wrk, 64 connections, one request at a time on each',
  figures: ['latency-64-p50', 'latency-64-p99', 'requests-64', 'cpu-request'],
  when: 'every-round',
  run: async (subject, { seconds }) => {
    const report = await wrk(subject, { connections: 64, seconds })
    return {
      sample: { 'latency-64-p50': report.p50, 'latency-64-p99': report.p99, 'requests-64': report.requests / report.us * 1e6 },
      doubts: doubtsOf(report),
      work: { figure: 'cpu-request', units: report.requests },
      details: { max: report.max },
    }
  },
}
