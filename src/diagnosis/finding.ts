/** What is examined of an endpoint, in this order. */
export const diagnosisSubjects = ['url', 'dns', 'connection', 'tls', 'clock', 'failures', 'latency', 'breaker'] as const

export type DiagnosisSubject = (typeof diagnosisSubjects)[number]

/** `problem` keeps deliveries from succeeding; `skipped` was not examined. */
export type DiagnosisLevel = 'ok' | 'warning' | 'problem' | 'skipped'

/** What was found on one subject. */
export interface Finding {
  readonly subject: DiagnosisSubject
  readonly level: DiagnosisLevel
  /** For people. */
  readonly summary: string
  /** What to do; null when nothing. */
  readonly recommendation: string | null
}

/** Findings on one subject. */
export function findingsOn(subject: DiagnosisSubject) {
  return {
    ok: (summary: string): Finding => ({ subject, level: 'ok', summary, recommendation: null }),
    skipped: (summary: string): Finding => ({ subject, level: 'skipped', summary, recommendation: null }),
    warning: (summary: string, recommendation: string): Finding => ({
      subject,
      level: 'warning',
      summary,
      recommendation,
    }),
    problem: (summary: string, recommendation: string): Finding => ({
      subject,
      level: 'problem',
      summary,
      recommendation,
    }),
  }
}
