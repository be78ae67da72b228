// Writes short pieces to a TLS socket past the queue of its stream, where nothing waits in that. An ordinary write
// makes an object, goes through the stream and comes back as an event of the loop: with one small message at a
// time, a twentieth of either end's CPU. Both sides use it, one per connection.
//
//   write ──idle, short──▶ the handle, with one request that is used again and again
//      └──▶ socket.write ──(first the direct one ends)──▶ as ever: queue, 'drain', errors, end
//
// It knows internals of node (20 to 24): the handle below a TLSSocket (`_handle`), `handle.writeBuffer(request, bytes)`
// and what a request is: `new WriteWrap()`, whose `oncomplete`, if there is one, is called at the end, with
// getAsyncId(), which is -1 but for the time of its write. Only one write may be under way: another ends the process.
// So WriteWrap is taken from the first ordinary write of the process and used only if it proved to be
// like that; otherwise, and for all that is no TLS socket, every write is an ordinary one.
//
// A handle encrypts, or copies, before writeBuffer returns, so nothing keeps the bytes. What is under way is not in
// socket.writableLength. A failure that nobody waits for is heard by reading, as every loss of a connection is.

import { constants } from 'node:os';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { getSystemErrorName } from 'node:util';
import { isObject } from '../base/is-object.js';
import { directWriteBytesMax } from '../base/limits.js';

interface WriteRequest {
  /** Told how the write ended: 0, or an error number below 0. Without it that costs nothing. */
  oncomplete?: (status: number) => void;
  getAsyncId(): number;
}

type WriteRequestClass = new () => WriteRequest;

interface WriteHandle {
  /** 0, or an error number below 0. */
  writeBuffer(request: WriteRequest, bytes: Buffer): number;
}

type Done = (error?: Error | null) => void;

const NO_WRITE = -1;
const NOT_TAKEN = -constants.errno.EPIPE;

/** Undefined until a first write was seen; then whether node is as we know it. */
let writeRequests: WriteRequestClass | 'unknown' | undefined;

export class DirectWriter {
  readonly #socket: Duplex;
  readonly #handle: WriteHandle | undefined;
  #request: WriteRequest | undefined;
  /** Of the direct write made last. */
  #bytes = 0;

  constructor(socket: Duplex) {
    this.#socket = socket;
    this.#handle = socket instanceof TLSSocket ? writeHandleOf(socket) : undefined;
  }

  /** Bytes of a direct write that the socket has not taken yet. */
  get bytesUnderWay(): number {
    return this.#isUnderWay ? this.#bytes : 0;
  }

  /** True when neither a direct write is under way nor anything in the queue of the stream. */
  get isIdle(): boolean {
    return this.#socket.writableLength === 0 && !this.#isUnderWay;
  }

  /** As socket.write(). */
  write(bytes: Buffer): void {
    const handle = this.#handle;
    const request = this.#request ?? this.#makeRequest();
    const isDirect = handle !== undefined && request !== undefined && this.#mayPass(bytes);
    if (isDirect) this.#writeDirectly(handle, request, bytes);
    else this.#socket.write(bytes);
  }

  get #isUnderWay(): boolean {
    return this.#request !== undefined && this.#request.getAsyncId() !== NO_WRITE;
  }

  #mayPass(bytes: Buffer): boolean {
    const { length } = bytes;
    const { writable, writableCorked } = this.#socket;
    return (
      length > 0 && length <= directWriteBytesMax && writable && writableCorked === 0 && this.isIdle
    );
  }

  /** Nobody is called back when it ends. One that ends at once has failed: its socket takes no more. */
  #writeDirectly(handle: WriteHandle, request: WriteRequest, bytes: Buffer): void {
    this.#bytes = bytes.length;
    const status = handle.writeBuffer(request, bytes);
    if (status === 0 && this.#isUnderWay) return;
    this.#socket.destroy(writeError(status === 0 ? NOT_TAKEN : status));
  }

  /** Undefined while it is not known how, or when it is known that we cannot. */
  #makeRequest(): WriteRequest | undefined {
    if (this.#handle === undefined || writeRequests === 'unknown') return undefined;
    if (writeRequests === undefined) {
      watchWrite(this.#handle);
      return undefined;
    }
    this.#request = new writeRequests();
    this.#holdBackOthers();
    return this.#request;
  }

  /** What the stream writes, and its end, wait for a direct write under way. */
  #holdBackOthers(): void {
    const socket = this.#socket;
    const { _write, _writev, _final } = socket;
    socket._write = (chunk, encoding, done) =>
      this.#whenFree(done, () => _write.call(socket, chunk, encoding, done));
    socket._writev = (chunks, done) =>
      this.#whenFree(done, () => _writev?.call(socket, chunks, done));
    socket._final = (done) => this.#whenFree(done, () => _final.call(socket, done));
  }

  /** At most one waits: a stream writes one after another, and ends after the last. */
  #whenFree(done: Done, goOn: () => void): void {
    const request = this.#request;
    if (request === undefined || !this.#isUnderWay) return goOn();
    request.oncomplete = (status) => {
      Reflect.deleteProperty(request, 'oncomplete');
      if (this.#socket.destroyed) done(null);
      else if (status < 0) done(writeError(status));
      else goOn();
    };
  }
}

function writeHandleOf(socket: TLSSocket): WriteHandle | undefined {
  const handle: unknown = Reflect.get(socket, '_handle');
  return isWriteHandle(handle) ? handle : undefined;
}

const isWriteHandle = (handle: unknown): handle is WriteHandle =>
  isObject(handle) && typeof handle.writeBuffer === 'function';

/** Looks at the next ordinary write of this handle, and at no other. */
function watchWrite(handle: WriteHandle): void {
  if (Object.hasOwn(handle, 'writeBuffer')) return;
  const watched: WriteHandle['writeBuffer'] = (request, bytes) => {
    Reflect.deleteProperty(handle, 'writeBuffer');
    const status = handle.writeBuffer(request, bytes);
    if (status === 0) writeRequests ??= classOf(request);
    return status;
  };
  Reflect.set(handle, 'writeBuffer', watched);
}

/** The class of a request whose write is under way, if requests are what we take them for. */
function classOf(request: unknown): WriteRequestClass | 'unknown' {
  if (!isWriteRequest(request) || request.getAsyncId() === NO_WRITE) return 'unknown';
  const made = request.constructor as WriteRequestClass;
  const other: unknown = new made();
  return isWriteRequest(other) && other.getAsyncId() === NO_WRITE ? made : 'unknown';
}

const isWriteRequest = (value: unknown): value is WriteRequest =>
  isObject(value) && typeof value.getAsyncId === 'function';

/** As node words it. */
function writeError(status: number): Error {
  const code = getSystemErrorName(status);
  return Object.assign(new Error(`write ${code}`), { code, errno: status, syscall: 'write' });
}
