import { noTelemetry } from '../../src/lib/telemetry.ts'
import { Admission, type AdmissionOptions } from '../../src/registry/admission.ts'

/** An admission whose caps no test meets that does not set them. */
export function roomyAdmission(options: Partial<AdmissionOptions> = {}): Admission {
  return new Admission({
    maxCalls: 1000,
    maxCallsPerUser: 1000,
    queueTimeoutMs: 10_000,
    telemetry: noTelemetry,
    ...options,
  })
}
