// What one process remembers of TLS from one connection to the next. Made in process-links.ts; tests make their own.

import { TlsContexts } from './tls-contexts.js';
import { TlsSessions } from './tls-sessions.js';

export class TlsMemory {
  readonly contexts = new TlsContexts();
  readonly sessions = new TlsSessions();
}
