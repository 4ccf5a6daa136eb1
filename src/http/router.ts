import type { Route } from './route.ts'

export type RouteMatch =
  | {
      readonly kind: 'found'
      readonly route: Route
      readonly params: Readonly<Record<string, string>>
      readonly rest: string
    }
  | { readonly kind: 'wrong-method'; readonly template: string /** For the header `Allow`. */; readonly allow: string }
  | { readonly kind: 'unknown' }

export type Router = (method: string, path: string) => RouteMatch

interface CompiledRoute {
  readonly route: Route
  readonly pattern: RegExp
}

/** @throws RangeError when a template is malformed. */
export function createRouter(routes: readonly Route[]): Router {
  const compiled = routes.map((route) => ({ route, pattern: compile(route.template) }))
  return (method, path) => {
    const fitting: Route[] = []
    for (const candidate of compiled) {
      const found = candidate.pattern.exec(path)
      if (found === null) continue
      if (accepts(candidate.route, method)) return matchOf(candidate, found)
      fitting.push(candidate.route)
    }
    const [first] = fitting
    return first === undefined
      ? { kind: 'unknown' }
      : { kind: 'wrong-method', template: first.template, allow: allowedBy(fitting) }
  }
}

function compile(template: string): RegExp {
  if (!/^(\/|(\/:?[\w.-]+)+(\/\*)?)$/.test(template)) throw new RangeError(`malformed route template: ${template}`)
  const hasRest = template.endsWith('/*')
  const pattern = (hasRest ? template.slice(0, -2) : template)
    .replaceAll('.', '\\.')
    .replaceAll(/:(\w+)/g, '(?<$1>[^/]+)')
  return new RegExp(`^${pattern}${hasRest ? '(?<rest>/.*)?' : ''}$`)
}

function matchOf({ route }: CompiledRoute, found: RegExpExecArray): RouteMatch {
  const { rest = '', ...params } = found.groups ?? {}
  return { kind: 'found', route, params, rest }
}

function accepts({ methods }: Route, method: string): boolean {
  return methods === 'any' || methods.includes(method) || (method === 'HEAD' && methods.includes('GET'))
}

function allowedBy(routes: readonly Route[]): string {
  const methods = new Set(routes.flatMap((route) => (route.methods === 'any' ? [] : route.methods)))
  if (methods.has('GET')) methods.add('HEAD')
  return [...methods].join(', ')
}
