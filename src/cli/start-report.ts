import { version } from '../kernel/version.ts'
import type { RunningApp } from '../running-app.ts'

/** What a person wants to know after a start: where to look, the key to use, a request to try. */
export function startReport({
  urls,
  firstAdminToken,
  exampleIngressUrl,
  notices,
}: Omit<RunningApp, 'stop' | 'broken'>): string {
  const lines = [`Hookline ${version} is ready.`, '']
  if (urls.graphiql === null) lines.push(`  Worker      ${urls.base}/healthz tells its health; it takes no messages`)
  else lines.push(`  GraphiQL    ${urls.graphiql}`)
  if (firstAdminToken !== null) lines.push(`  Admin key   ${firstAdminToken}   (shown this once: keep it)`)
  if (exampleIngressUrl !== null) {
    lines.push(
      '',
      '  Send a webhook:',
      `    curl -H 'content-type: application/json' -d '{"hello":"world"}' ${exampleIngressUrl}`,
    )
  }
  if (notices.length > 0) lines.push('', ...notices.map((notice) => `  Note: ${notice}`))
  return `${lines.join('\n')}\n`
}
