import { SigningSchemeEnum } from '../endpoints/endpoint-types.graphql.ts'
import { rotateEndpointSecret } from '../endpoints/rotate-endpoint-secret.ts'
import { builder } from '../graphql/builder.ts'
import {
  type Done,
  NotFoundError,
  outcomeType,
  resultOf,
  StateConflictError,
  ValidationError,
} from '../graphql/user-errors.ts'
import { isId } from '../kernel/ids.ts'
import { issue } from '../projects/input-checks.ts'
import type { RotatedSecret } from '../secrets/replace-secret.ts'
import { rotateSourceSecret } from './rotate-source-secret.ts'
import { SecretType } from './secrets.graphql.ts'

const RotateSecretInput = builder.inputType('RotateSecretInput', {
  description: 'Replaces a secret; the old ones stay valid for a while.',
  fields: (t) => ({
    ownerId: t.id({ required: true, description: 'The source or endpoint that holds the secret.' }),
    secret: t.string({
      description:
        'The new secret in the form that the scheme asks for; left out: generated, where it is not the provider who makes it.',
    }),
    signing: t.field({
      type: SigningSchemeEnum,
      description:
        "The form of an endpoint's signature from now on; left out: as before. In the overlap each secret signs in its own form. Not for sources.",
    }),
    overlapMs: t.int({
      required: true,
      defaultValue: 86_400_000,
      description:
        'How long the old secrets stay valid: 0 to 604,800,000 ms (7 days). Of more than 5 the oldest end at once.',
    }),
  }),
})

const RotateSecretPayload = builder.objectRef<Done<RotatedSecret>>('RotateSecretPayload').implement({
  description: 'The new secret, seen once, and all that are valid.',
  fields: (t) => ({
    secret: t.string({
      description: 'The new secret in full. Shown only here.',
      resolve: ({ value }) => value.secret,
    }),
    secrets: t.field({
      type: [SecretType],
      description: 'All that are valid now, newest first; at most 5.',
      resolve: ({ value }) => [...value.secrets],
    }),
  }),
})

const RotateSecretResult = builder.unionType('RotateSecretResult', {
  description: 'Answer of `rotateSecret`. A source without verification holds no secret: STATE_CONFLICT.',
  types: [RotateSecretPayload, NotFoundError, ValidationError, StateConflictError],
  resolveType: outcomeType('RotateSecretPayload'),
})

builder.mutationField('rotateSecret', (t) =>
  t.field({
    type: RotateSecretResult,
    description: 'Replaces the secret of a source or an endpoint, with an overlap.',
    args: { input: t.arg({ type: RotateSecretInput, required: true, description: 'Whose, and how.' }) },
    resolve: async (_root, { input }, { services, viewer }) => {
      const isEndpoint = isId('ept', input.ownerId)
      if (!isEndpoint && input.signing) return { kind: 'invalid' as const, issues: [notForSources] as const }
      const rotate = isEndpoint ? rotateEndpointSecret : rotateSourceSecret
      return resultOf(await rotate(services, viewer, input), 'not-found', 'invalid', 'state-conflict')
    },
  }),
)

const notForSources = issue(
  'MALFORMED',
  ['input', 'signing'],
  "A source's signatures are made by its senders: only those of an endpoint have a form to choose.",
)
