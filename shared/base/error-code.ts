// Every error code there is, with its number, text and meaning. The one place that holds codes:
// on the wire and in programs they are stable, so never renumber; the message after the text may improve.
// Numbers below 9000 and their texts are the field's own (the run-time message file of Synergy/DE);
// numbers from 9001 on are ours. To add a code: a row here, a throw site, a test, a row in PROTOCOL.md.

/** What a row of the table says about a code. */
export interface ErrorCodeEntry {
  /** Stable number, on the wire and in `RsyndError.errno`. */
  readonly errno: number;
  /** The field's own text; `%s` is where the subject goes. Messages begin with it. */
  readonly text: string;
  /** True when the same call may succeed later without any change by the caller. */
  readonly retryable: boolean;
  /** One sentence for the documentation: when it is raised. */
  readonly meaning: string;
}

const row = (errno: number, text: string, meaning: string, retryable = false): ErrorCodeEntry => ({
  errno,
  text,
  retryable,
  meaning,
});

export const ERROR_CODES = {
  ERR_EOF: row(1, 'End of file', 'A read passed either end of the key of reference.'),
  ERR_NOOPEN: row(11, 'Channel has not been opened', 'The channel was closed or never opened.'),
  ERR_FILSPC: row(17, 'Bad filename', 'The name is not one that can be served.'),
  ERR_FNF: row(18, 'File not found', 'No file of that name under the data root or at that path.'),
  ERR_FILOPT: row(21, 'Invalid operation for file type', 'The open mode forbids the verb.'),
  ERR_IOFAIL: row(
    22,
    'Failure during I/O operation',
    'The operating system failed a read or write.',
  ),
  ERR_NOSPAC: row(
    24,
    'No space exists for file on device',
    'Writes are refused before the disk is full; reads go on.',
    true,
  ),
  ERR_FILFUL: row(25, 'Output file is full', 'RECORD_LIMIT or SIZE_LIMIT of the file is reached.'),
  ERR_REPLAC: row(32, 'Cannot supersede existing file', 'Create found a file of that name.'),
  ERR_CHNEXC: row(33, 'Too many files open', 'The session or server has no channel left.', true),
  ERR_FINUSE: row(38, 'File in use by another user', 'Share modes of two opens conflict.', true),
  ERR_OUTRDO: row(39, 'Output to read-only device', 'The file or its directory is read-only.'),
  ERR_LOCKED: row(40, 'Record is locked', 'Another channel holds the record past the wait.', true),
  ERR_BADKEY: row(52, 'Illegal key specified', 'No such key of reference, or a value too long.'),
  ERR_KEYNOT: row(53, 'Key not same', 'A write would change a key that is not modifiable.'),
  ERR_NODUPS: row(
    54,
    'Duplicate key specified',
    'The key allows no duplicates and has this value.',
  ),
  ERR_NOTISM: row(56, 'Not an ISAM file', 'The file is there but is not one of ours.'),
  ERR_NOCURR: row(61, 'No current record', 'Write or delete without a locked current record.'),
  ERR_PROTEC: row(62, 'Protection violation', 'The user may not do this to this file.'),
  ERR_RNF: row(64, 'Record not found', 'No record has the key asked for.'),
  ERR_BADMODE: row(108, 'Bad mode specified', 'The open mode, share or lock word is unknown.'),
  ERR_IRCSIZ: row(316, 'Invalid record size', 'The record is too long, too short or misses a key.'),
  ERR_INVALRFA: row(317, "Invalid record's file address", 'No record can be at this RFA.'),
  ERR_DELREC: row(318, 'Deleted record', 'The record at this RFA was deleted.'),
  ERR_CLNTERR: row(
    319,
    'Client server error, host: %s',
    'No encrypted connection where one was asked for: no TLS, nothing in common, no trust.',
  ),
  ERR_NETPROB: row(320, 'Network problem reaching server %s', 'The connection was lost.', true),
  ERR_NOSERVER: row(321, 'Synergy server is not running on %s', 'Nobody listens there.', true),
  ERR_BADHOST: row(325, 'Unknown host "%s" in server spec', 'The name does not resolve.'),
  ERR_BADUSER: row(326, 'Bad username, login rejected on %s', 'The login was refused.'),
  ERR_INVKVAL: row(340, 'Invalid key value', 'The value does not fit the key it is meant for.'),
  ERR_INVPKEY: row(341, 'Invalid partial key', 'This match or segment needs the whole key.'),
  ERR_BADXDLF: row(342, 'Bad XDL file', 'XDL with an unknown, missing or contradictory keyword.'),
  ERR_BADXDLS: row(343, 'Bad XDL string', 'A key or file option string that cannot be read.'),
  ERR_INVARG: row(420, 'Invalid argument', 'A value given is outside what the call takes.'),
  ERR_SRVRLIMIT: row(
    534,
    'Server limit reached on %s',
    'Connections or sessions are used up.',
    true,
  ),
  ERR_DEADLOCK: row(535, 'Operation would cause deadlock', 'Waiting would never end.', true),
  ERR_ISINFO: row(591, 'ISINFO error', 'Unknown request, key or segment.'),
  ERR_INVOPER: row(627, 'Invalid operation: %s', 'The call makes no sense in this state.'),
  ERR_NETCRYPT: row(
    9001,
    'File requires network encryption',
    'A flagged file over an unencrypted remote route, a network file system included.',
  ),
  ERR_RECNOT: row(
    9002,
    'Record not same',
    'The record behind this GRFA changed since it was read.',
  ),
  ERR_PROTOCOL: row(9003, 'Protocol violation', 'Bytes that are no valid frame or message.'),
  ERR_TIMEOUT: row(
    9004,
    'Call did not finish in its time',
    'The budget of the call is used.',
    true,
  ),
  ERR_ABORTED: row(9005, 'Call was aborted', 'The signal of the call was aborted.'),
  ERR_DAMAGED: row(9006, 'File is damaged', 'A checksum or an index does not agree with the data.'),
  ERR_TLSCONF: row(
    9007,
    'Encryption is not set up',
    'Certificate, key, passphrase or level is unusable.',
  ),
  ERR_CONFIG: row(9008, 'Bad configuration', 'An option, file or environment value is unusable.'),
  ERR_BADDEF: row(
    9009,
    'Bad file definition',
    'Fields or keys contradict each other or the record.',
  ),
  ERR_BADDATA: row(
    9010,
    'Bad data',
    'A value cannot be stored in its field, or a row not be read.',
  ),
  ERR_RNDSTATE: row(9011, 'Cannot load random state', 'The file of $SYNSSL_RAND is unusable.'),
  ERR_BUDGET: row(
    9012,
    'Query budget is used',
    'A select looked at maxScan records or worked for maxMs; it can be resumed.',
    true,
  ),
  ERR_BADCERT: row(
    9013,
    'Certificate cannot be used',
    'A certificate, key, chain, request or revocation list is refused, with the reason.',
  ),
  ERR_NOENTRY: row(
    9014,
    'No such entry',
    'A user, certificate or refusal of that name is not there.',
  ),
  ERR_ENTRYUSED: row(9015, 'Entry is in use', 'Something that others depend on cannot be removed.'),
} as const satisfies Record<string, ErrorCodeEntry>;

export type ErrorCode = keyof typeof ERROR_CODES;

const byErrno = new Map<number, ErrorCode>(
  (Object.keys(ERROR_CODES) as ErrorCode[]).map((code) => [ERROR_CODES[code].errno, code]),
);

/** The code of a number, or undefined when a newer peer sends one this version does not know. */
export const errorCodeOf = (errno: number): ErrorCode | undefined => byErrno.get(errno);
