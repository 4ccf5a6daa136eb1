import { builder } from '../graphql/builder.ts'

export const EndpointStatusEnum = builder.enumType('EndpointStatus', {
  description: "Whether an endpoint's deliveries are attempted.",
  values: {
    ACTIVE: { value: 'active', description: 'They are.' },
    PAUSED: { value: 'paused', description: 'They wait, because someone said so.' },
    DISABLED: { value: 'disabled', description: 'They wait, because it failed too long or answered 410.' },
  } as const,
})
