import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { CodedError } from '../kernel/coded-error.ts'

/** Paths of PEM files. */
export interface TlsFiles {
  readonly certFile: string
  readonly keyFile: string
}

export interface TlsMaterial {
  readonly cert: Buffer
  readonly key: Buffer
}

/** @throws CodedError TLS_FILE_UNREADABLE or TLS_FILES_INVALID, naming variable and file. */
export function readTlsFiles({ certFile, keyFile }: TlsFiles): TlsMaterial {
  const material = { cert: read('TLS_CERT_FILE', certFile), key: read('TLS_KEY_FILE', keyFile) }
  try {
    createSecureContext(material)
    // OpenSSL keeps keys by kind: one of another kind than the certificate's it takes, and then fails every handshake.
    if (!new X509Certificate(material.cert).checkPrivateKey(createPrivateKey(material.key))) {
      throw new Error('the key is not the certificate’s')
    }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new CodedError(
      'TLS_FILES_INVALID',
      `TLS_CERT_FILE (${certFile}) and TLS_KEY_FILE (${keyFile}) cannot be used: ${reason}. ` +
        'Both must be PEM, and the key must be the one that the certificate was made for.',
      { cause },
    )
  }
  return material
}

function read(variable: string, file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new CodedError('TLS_FILE_UNREADABLE', `${variable} cannot be read: ${reason}`, { cause })
  }
}
