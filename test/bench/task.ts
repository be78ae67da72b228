// What a client process is asked to do and what came of it, as JSON between main.ts and client.ts.

export type PeerName = 'rsynd' | 'plain' | 'pg' | 'postgres.js' | 'redis' | 'tls';

/** Calls of one kind, again and again for so long: `depth` in flight on each of the connections. */
export interface CallTask {
  readonly work: 'read' | 'store' | 'update' | 'mixed';
  readonly connections: number;
  readonly depth: number;
  readonly forMs: number;
  /** Another way of the same peer, which has connections of its own. */
  readonly variant?: 'typed' | 'auto';
}

/** All records, to the application, once or more often if that is done before `forMs` are over. */
export interface ScanTask {
  readonly work: 'scan';
  readonly order: 'key' | 'stored';
  readonly shape: 'raw' | 'typed';
  /** How the application takes them, where there is a choice. */
  readonly by: 'batch' | 'record';
  readonly forMs: number;
}

/** One record of a hundred by a field that no key holds; again while `forMs` are not over. */
export interface FilterTask {
  readonly work: 'filter';
  readonly how: 'server' | 'client' | 'numeric' | 'int';
  readonly forMs: number;
}

/** Bytes towards the client that a filter costs; what is counted are bytes, not records. */
export interface WireTask {
  readonly work: 'wire';
  readonly how: 'server' | 'client';
}

/** Records into an empty file with both indexes, answered when they are on the disk. */
export interface BulkTask {
  readonly work: 'bulk';
  readonly records: number;
}

/** Connect, log in, open, read the first record, leave; one after the other for so long. */
export interface OpenTask {
  readonly work: 'open';
  readonly handshake: 'full' | 'resumed';
  readonly forMs: number;
}

export type Task = CallTask | ScanTask | FilterTask | WireTask | BulkTask | OpenTask;

export interface Measured {
  /** Calls, records or bytes. */
  readonly count: number;
  readonly ms: number;
  /** CPU time of the client process, microseconds. */
  readonly cpuUs: number;
  /** Number of the first record that is not stored now. */
  readonly next: number;
}

/** What a client process needs to find its server. */
export interface ClientOptions {
  readonly port: number;
  /** File of the certificate to trust. */
  readonly ca: string;
  /** Records in the file when the bench begins. */
  readonly records: number;
  readonly seed: number;
}

/** To a client process. Clients of one server store into one file, and go on where the other ended. */
export interface Order {
  readonly task: Task;
  /** Number of the first record that is not stored yet. */
  readonly next: number;
}

/** From a client process. `ready` comes first, with what the connection is protected by. */
export type ClientMessage =
  | { readonly ready: string }
  | { readonly measured: Measured }
  | { readonly failed: string };
