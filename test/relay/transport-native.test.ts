import t from 'tap'
import { transportConformance } from '../conformance/transport.ts'
import { openTransport } from '../fixtures/transports.ts'

transportConformance(t, () => ({ near: openTransport(t, 'native'), far: openTransport(t, 'native') }))
