import type { CodegenConfig } from '@graphql-codegen/cli'

/** Types for the documents that are written in our own code, in a form that Node runs by stripping types. */
const config: CodegenConfig = {
  schema: 'schema.graphql',
  documents: ['src/graphql/examples.ts'],
  ignoreNoDocuments: true,
  generates: {
    'src/generated/': {
      preset: 'client',
      presetConfig: { fragmentMasking: false },
      config: {
        documentMode: 'string',
        useTypeImports: true,
        enumsAsTypes: true,
        importExtension: '.ts',
        scalars: {
          DateTime: 'string',
          Cursor: 'string',
          Bytes: 'string',
          JSON: 'unknown',
          URL: 'string',
          SafeInt: 'number',
        },
      },
    },
  },
}

// The generator's command line looks for a default export.
export default config
