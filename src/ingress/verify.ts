import { verifyGithub } from '../signatures/github.ts'
import type { IngressSource } from '../sources/index.ts'
import { type IngressProblem, problem } from './answer.ts'

/** A repeated signature header arrives as one list; more entries than this are not looked at. */
const maxSignatures = 10

/** @returns null when the sender has proved who it is, or need not. */
export function verify(
  verification: IngressSource['verification'],
  headers: NodeJS.Dict<string | string[]>,
  body: Buffer,
): IngressProblem | null {
  if (verification === null) return null
  const given = headers['x-hub-signature-256']
  const candidates =
    typeof given === 'string' ? given.split(',', maxSignatures).map((text) => text.trim()) : [undefined]
  const verdicts = candidates.map((header) => verifyGithub({ header, body, secrets: verification.secrets }))
  if (verdicts.includes('valid')) return null
  return problem(401, ...refusalOf(verdicts[0]))
}

function refusalOf(verdict: string | undefined): [code: string, detail: string] {
  switch (verdict) {
    case 'mismatch':
      return ['SIGNATURE_WRONG', 'No secret of this source makes the signature in X-Hub-Signature-256.']
    case 'malformed':
      return ['SIGNATURE_MALFORMED', 'X-Hub-Signature-256 is not `sha256=` and 64 hexadecimal digits.']
    default:
      return ['SIGNATURE_MISSING', 'This source demands the header X-Hub-Signature-256.']
  }
}
