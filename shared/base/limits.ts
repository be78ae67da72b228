// Every bound of the program in one place: no queue, buffer, table, wait or retry is without one.
// A bound that is reached has a clear error and a test. Sizes are bytes, times milliseconds.

/** Records, keys and definitions. Key and segment counts: "ISAM limits" of the field. */
export const recordBytesMax = 1024 * 1024;
export const keysPerFileMax = 255;
export const segmentsPerKeyMax = 8;
export const keyBytesMax = 254;
export const fieldsPerFileMax = 4096;
export const headerTextBytesMax = 1024;
/** XDL, repository and certificate files are read whole. */
export const definitionFileBytesMax = 16 * 1024 * 1024;

/** Frames. Small until the session has logged in, so that strangers cannot make us hold much. */
export const frameBeforeLoginBytesMax = 4 * 1024;
/** A whole record of the largest size, its key and its header fit. */
export const frameBytesMax = 2 * 1024 * 1024;
/** Target size of one data frame of a stream: measured as the best for TLS (16 KiB records inside). */
export const streamFrameBytes = 64 * 1024;
/** Buffers of such frames that a server keeps for the next ones. */
export const frameBuffersKeptMax = 64;
/** Bytes a stream may have on the way before its reader grants more: with half of it scans take a tenth longer. */
export const streamCreditBytes = 2 * 1024 * 1024;
export const streamCreditBytesMax = 8 * 1024 * 1024;
/** Frames of a scan that wait at the client for their reader: credit of frames as small as 64 bytes. */
export const streamFramesQueuedMax = streamCreditBytes / 64;
/** MessagePack of control messages, checked before it is decoded. */
export const messageDepthMax = 16;
export const messageElementsMax = 128 * 1024;
/** Records in one storeMany request: bounds the views made of a frame of tiny or empty records. */
export const recordsPerFrameMax = 32 * 1024;
/** What an error says of itself; cut when sent. */
export const errorMessageBytesMax = 2048;

/** Sessions and channels. */
export const channelsPerSessionMax = 1024;
/** Requests of one session accepted but not yet answered; past it the socket is not read. */
export const requestsPerSessionMax = 4096;
/** Their bytes, likewise: large records may wait behind a lock. Holds a few of the largest frames. */
export const requestBytesPerSessionMax = 8 * 1024 * 1024;
/** Requests that waited behind another and start in one turn of the event loop. */
export const requestsPerTurnMax = 64;
export const locksPerChannelMax = 10_000;
/** Times a file may be replaced by other processes while it is being opened. */
export const replacedOpensMax = 8;
/** Bytes queued towards one client before its requests are not read any more. */
export const outputQueueBytesMax = 512 * 1024;
/** One piece that may be on its way to a peer beside that queue. */
export const directWriteBytesMax = 16 * 1024;
export const fileNameBytesMax = 512;
/** One part of it between slashes. File systems take 255; ours get extensions and companions yet. */
export const fileNamePartBytesMax = 200;
export const userNameBytesMax = 128;

/** Connections and handshakes: server/net. A pending connection has not yet said who it is. */
export const connectionsMax = 16_000;
export const pendingHandshakesMax = 4096;
/** Not less than a few hundred: a whole office behind one address may reconnect at once. */
export const pendingHandshakesPerAddressMax = 2048;
export const handshakeTimeoutMs = 10_000;
/** Connections the kernel holds until we accept; past it a good client waits a second to try again. */
export const listenBacklog = 4096;
/** A ClientHello is 200-2,000 bytes; nothing is given to the TLS library before it is whole. */
export const clientHelloBytesMax = 16 * 1024;
/** A refused peer is read this long and this much, so that our last words are not lost to a RST. */
export const refusedLingerMs = 1_000;
export const refusedLingerBytesMax = 64 * 1024;
export const refusedLingeringMax = 512;
export const tcpKeepAliveMs = 15_000;

/** Certificates, passphrases, randomness: shared/tls, server/certificate. */
export const cipherDescriptionBytesMax = 128;
export const pemCertificatesMax = 64;
export const passphraseBytesMax = 1024;
export const passphrasePromptMs = 120_000;
export const certificateProofMs = 5_000;
export const randomStateBytesMin = 64;
export const randomStateBytesMax = 4096;

/** Client side: one connection and its calls. */
/** Budget of one call, connecting included, unless the caller names another. */
export const callTimeoutMsDefault = 10_000;
/** Timers of the platform reach no further (24.8 days). */
export const callTimeoutMsMax = 2 ** 31 - 1;
/** Requests of one connection sent and not yet answered; further calls wait their turn. */
export const requestsInFlightMax = 1024;
/**
 * Record bytes of one batch of storeMany(), and batches on the way at a time. A batch is written in one
 * transaction or two: larger ones rewrite the pages of the indexes less often, and hold up others longer.
 */
export const storeManyBatchBytes = 1792 * 1024;
export const storeManyBatchesInFlightMax = 3;
/** TLS contexts a client remembers; servers whose sessions it does, and sessions of one (Node gives two). */
export const tlsContextsKeptMax = 32;
export const tlsSessionServersMax = 256;
export const tlsSessionsPerServerMax = 8;
/** One holds the server's certificate and what the server wants back, some 1,300 bytes; larger ones are not kept. */
export const tlsSessionBytesMax = 16 * 1024;
/** So long after a server was judged in full it is judged again. */
export const tlsSessionTrustedMs = 60 * 60 * 1000;
/** How long close() waits for the peer to take the goodbye. */
export const closeTimeoutMs = 1000;

/** Liveness of a session. A ping is due after `heartbeatMs` of silence; twice that ends the session. */
export const heartbeatMs = 10_000;
/** A session must have logged in by then. */
export const loginDeadlineMs = 10_000;
/** Bytes waiting for a client that takes none of them for so long end its session. */
export const writeDeadlineMs = 20_000;
/** A session without any request for so long is closed, so that forgotten locks do not stay for ever. */
export const idleSessionMs = 24 * 60 * 60 * 1000;
/** A client may not ask to wait longer than this for a lock. */
export const lockWaitMsMax = 60 * 60 * 1000;
export const scansPerSessionMax = 64;
/** Sessions get so long to finish what they do when the server stops. */
export const drainDeadlineMs = 10_000;

/** Definitions of files, as shared/record/validate-spec.ts judges them. */
/** Names of keys and fields, in characters. */
export const definitionNameCharsMax = 128;
export const fieldDescriptionCharsMax = 4096;
export const fieldDimensionsMax = 8;
export const portableIntegersMax = 1024;

/** Locks: server/lock. Waiters of one record, all processes together; past it ERR_LOCKED at once. */
export const waitersPerRecordMax = 1024;
/** A lock that another process hands over is noticed by looking: soon at first, then this often. */
export const lockPollMsMin = 2;
export const lockPollMsMax = 25;
/** A wait that lasts so long is looked at for a deadlock, again after twice as long, and so on. */
export const deadlockCheckMs = 100;
export const deadlockCheckMsMax = 1_000;
/** Sessions followed from one waiter to the next in the search for a deadlock. */
export const waitGraphOwnersMax = 1_000;
/** A process of another container is held for dead when it gave no sign of life for so long. */
export const lockLeaseMs = 30_000;
export const lockLeaseTouchMs = 5_000;
/** The lock file of a directory: address space, processes at a time, bytes taken from the disk at once. */
export const lockMapBytes = 256 * 1024 * 1024;
export const lockReadersMax = 1024;
/** Locks that one step gives back when a channel is closed. */
export const locksFreedPerStep = 500;
export const lockFileReserveBytes = 1024 * 1024;

/** Load and unload: server/tool. One row of CSV or JSON Lines, escapes and names included. */
export const textRowBytesMax = 16 * 1024 * 1024;
/** Messages about bad rows that are kept; all are counted. */
export const rowProblemsKeptMax = 100;
/** Bad rows after which a load or unload stops, unless `--max-errors` says otherwise. */
export const badRowsMaxDefault = 100;
/** Records and bytes handed to the file at once. */
export const loadBatchRecordsMax = 512;
export const loadBatchBytesMax = 4 * 1024 * 1024;
/** Findings of verify and rebuild that are kept for the report; all are counted. */
export const findingsKeptMax = 1000;

/** Storage: server/storage. */
/** Index bytes of one key: collated forms are up to about twice `keyBytesMax`. */
export const indexKeyBytesMax = 600;
/** Writes waiting for their common commit; one more and they are committed at once. */
export const writesWaitingMax = 1024;
/** Record bytes and index entries of one transaction: it holds up all other work while it runs. */
export const transactionBytesMax = 8 * 1024 * 1024;
export const transactionEntriesMax = 32 * 1024;
/** Buffers of blocks kept for the next transaction: some 2 MiB in a process that writes. */
export const blockRoomsMax = 256;
/** Blocks that scans of one file have at hand and find again in their next call. */
export const blockCopiesMax = 4;
/** Writes are refused while the disk has less than this, and room for the transaction, to spare. */
export const diskReserveBytes = 8 * 1024 * 1024;
/** Files open at a time in one process, some 200 KiB and eight maps of memory each (Linux allows 65,530 maps). */
export const filesOpenMax = 8000;
/** Processes and snapshots reading one file at a time. */
export const fileReadersMax = 1024;
/** Pages of 4 KiB one block may have. */
export const blockPagesMax = 4;
/** Blocks of a file whose checksums are remembered as proven, 4 bytes each; others are proven at each scan. */
export const provenBlocksMax = 4 * 1024 * 1024;
/** Files up to this size are looked at for damaged pages when they are first opened (some 50 ms). */
export const inspectedWholeBytesMax = 64 * 1024 * 1024;
/** Files remembered as looked at. */
export const inspectedFilesMax = 10_000;
/** LMDB's map of a file is seen in parts of so many bytes, each longer by the largest value there can be. */
export const mapPartBytes = 4 * 1024 * 1024;
export const mappedValueBytesMax = 2 * 1024 * 1024;
/** The newest committed state is looked for so often, while other processes commit. */
export const stateTriesMax = 64;
/** Without a read for so long, pages are not kept for readers any more. */
export const readerIdleMs = 100;
/** Levels a tree of pages can have; more is damage. */
export const treeDepthMax = 32;
/** LMDB's number of the newest transaction is put right so often for one transaction, and by so many. */
export const headTriesMax = 100;
export const headSetBackMax = 100_000;
/**
 * Hints where the records of a unique key are (adaptive hash index): bytes for one key of a file at least and at most
 * (1.5 million records), for all of a process; and searches of the index before there are any.
 */
export const keyHintBytesMin = 64 * 1024;
export const keyHintBytesMax = 16 * 1024 * 1024;
export const keyHintBytesOfProcessMax = 64 * 1024 * 1024;
export const keyHintMissesMin = 256;
/** A figure of free disk space is used again for so long, as long as it says that there is plenty. */
export const freeBytesAgeMs = 50;
export const diskPlentyBytes = 1024 * 1024 * 1024;

/** The log before LMDB: server/storage/lmdb/log. Bytes of each of its two areas. */
export const logAreaBytes = 512 * 1024;
/** So much of an area is written ahead at a time, so that entries do not make the file longer. */
export const logChunkBytes = 64 * 1024;
/** A larger transaction is not logged: LMDB's pages are flushed instead. */
export const logEntryBytesMax = 128 * 1024;
/** A checkpoint is begun when transactions wrote a sixteenth of what the file has, within these bounds. */
export const checkpointBytesMin = 4 * 1024 * 1024;
export const checkpointBytesMax = 32 * 1024 * 1024;
/** Without writes for so long a process lets go of the pages of its last checkpoint. */
export const logIdleMs = 2_000;
/**
 * An LMDB transaction stays open over groups of writes that are in the log: as long as groups come at least so often,
 * no longer than that in all, and until so many index entries, groups, or bytes of blocks and large records are in it.
 * Another process that opens the file waits no longer than the first.
 */
export const deferredIdleMs = 3;
export const deferredMsMax = 50;
export const deferredEntriesMax = 4096;
export const deferredGroupsMax = 1024;
export const deferredBytesMax = 4 * 1024 * 1024;
/** How long an open waits for another process that recovers the file, and how often it looks. */
export const recoveryWaitMs = 30_000;
export const recoveryPollMs = 20;

/** Log lines that could not be written yet; later ones are dropped. */
export const logBytesKeptMax = 256 * 1024;
/** Write transactions in a row that are tried again after a fault of LMDB's free list. */
export const freeListFaultsMax = 8;

/** Log lines about refused connections; the rest of a second is counted, not written. */
export const refusalLinesPerSecondMax = 50;

/** Select: shared/select. Text of a query, and how its parts nest. */
export const queryTextCharsMax = 64 * 1024;
export const expressionDepthMax = 64;
export const expressionNodesMax = 4096;
/** Values of one `in`. */
export const inValuesMax = 16_384;
/** Bytes of one text or byte value, of a `like` pattern too. */
export const queryValueBytesMax = 4096;
/** Terms of one order, and values computed over a group. */
export const queryOrdersMax = 64;
export const queryAggregatesMax = 256;
/** Bytes that the fields of one row, and those of one order, may have together. */
export const queryRowBytesMax = recordBytesMax;
/** The same of a group: its values travel as text, which may double them, and fit one frame. */
export const groupRowBytesMax = 512 * 1024;
/** Steps from byte to byte that a condition may need for one record at worst: some 40 ms. */
export const conditionStepsMax = 16 * 1024 * 1024;
/** Tables made of the patterns of one condition. */
export const patternTableBytesMax = 4 * 1024 * 1024;

/** Select: server/select. Work of one step, after which others have a turn, and its records. */
export const selectStepMs = 0.05;
export const selectStepRecordsMax = 8192;
/** Bytes that one step may have to look at, were every record the worst: those before say nothing of the next. */
export const selectStepBytesMax = 8 * 1024 * 1024;
/** Records found by a select wait so long for more to fill their frame. */
export const frameWaitMs = 20;
/** Sorted records kept in memory by one select; more are put into runs in a file. */
export const sortMemoryBytesMax = 16 * 1024 * 1024;
/** Runs of one select, each of about that size, and what is read of each at a time. */
export const sortRunsMax = 256;
export const sortRunBufferBytes = 64 * 1024;
/** What is read of all runs together, at most: of long records there are fewer runs. */
export const sortMergeBytesMax = 64 * 1024 * 1024;
/** Records of a piece that is sorted at once, so that a step stays short. */
export const sortPieceRecordsMax = 256;
/** Sorted rows that one step moves: to the file, to its frame. */
export const sortStepRowsMax = 512;
/** Records of the first few (`limit` with an order) kept in memory; a larger limit sorts all. */
export const topRecordsMax = 1024;
/** Groups of one select, and the bytes of their values. */
export const groupsMax = 100_000;
export const groupBytesMax = 32 * 1024 * 1024;
/** Selects of one session that hold groups at a time: each may fill those bytes. */
export const groupingsPerSessionMax = 16;
/** Records on hand between a walk and what becomes of them: partners, locks, deletes. */
export const selectBatchRecordsMax = 32;
/** A token that says where a query goes on. */
export const resumeBytesMax = 2048;

/** Servers one user has written down as known: client/connection/known-servers.ts. */
export const knownServersMax = 10_000;

/** Ranges of one plan; past it one range covers them all. */
export const keyRangesMax = 16_384;
/** Ways an `or` over several fields is taken apart into before its fields are looked at one by one. */
export const planAlternativesMax = 64;
/** Values of a question that are turned into ranges, those of all keys together. */
export const planValuesMax = 32_768;
/** What `explain` shows: characters of the condition, values of one `in`, ranges. */
export const planTextCharsMax = 4096;
export const planValuesShownMax = 16;
export const planRangesShownMax = 32;

/** Select: client and tools. Rows of a table that are held back to see how wide its columns are. */
export const tableRowsMeasuredMax = 500;
/** Characters of one cell of a table on a terminal, and the fewest a column is cut to. */
export const tableCellCharsMax = 80;
export const tableCellCharsMin = 8;

/**
 * The thread that helps scans: server/scan-helper. Blocks of one part, parts of a window, and the bytes of the
 * matches of one: for each select that is helped there is memory for two.
 */
export const helpedPartBlocks = 16;
export const helpedWindowParts = 128;
export const helpedMatchBytesMax = 512 * 1024;
/** Blocks still ahead of a walk that asks for help, and the most a file can have: parts are numbers of 31 bits. */
export const helpedBlocksMin = 512;
export const helpedBlocksMax = 2 ** 35;
/** Terms and values of a condition that is sent to it, and steps from byte to byte it may need for one record. */
export const helpedConditionMax = 1024;
export const helpedStepsMax = 64 * 1024;
/** Matches it found, and parts, that one step of a select takes. */
export const helpedVisitsPerStep = 128;
/** A walk that stands still for so long, because its client does, is left alone; and none asks again sooner. */
export const helpedPatienceMs = 200;
/** No walk is helped before nobody else has asked anything for so long. */
export const helpedQuietMs = 20;
/** The lowest there is: it gets what nobody else wants. */
export const helperPriority = 19;
/** So often it is looked for an idle core. */
export const helperLookMs = 4;
/**
 * A walk that is helped may wait for its core so long and so much of its time besides. Did it wait longer, nobody is
 * helped for so long; twice as long when that is so again, up to the last.
 */
export const helpedWaitMsMax = 1;
export const helpedWaitShareMax = 0.1;
export const crowdedPauseMs = 100;
export const crowdedPauseMsMax = 10_000;
/** It ends without a question for so long, and when it has not stopped so long after it was told to. */
export const helperIdleMs = 30_000;
export const helperSilentMs = 2_000;
/** After one was lost there is none for so long. */
export const helperPauseMs = 60_000;
export const helperMemoryMax = 64 * 1024 * 1024;
/** What it reads of a file at once, and pages of a tree that it keeps. */
export const unmappedRunBytes = 256 * 1024;
export const unmappedPagesMax = 1024;

/** Processes of one server: server/worker. */
export const workersMax = 64;
/** Connections that wait for a process to take them; of one process on their way to it. */
export const connectionsWaitingMax = 1024;
export const connectionsHandedMax = 16;
/** After so long a process is asked whether the connection on its way to it is lost. */
export const connectionHandedMs = 1_000;
/** A process must be ready by then, and gone so long after it was told to stop and the drain is over. */
export const workerStartMs = 60_000;
export const workerStopMs = 5_000;
/** How often each is asked whether it is there; so many rounds without an answer end one that is stopped, and any. */
export const workerRoundMs = 10_000;
export const workerRoundsStoppedMax = 2;
export const workerRoundsSilentMax = 12;
/** One that lived so long died by accident: it is replaced at once. */
export const workerSteadyMs = 30_000;
/** After so many shorter lives in a row the server ends; pauses between them, doubled each time up to the second. */
export const workerDeathsMax = 6;
export const workerPauseMs = 100;
export const workerPauseMsMax = 5_000;
/** Keys of session tickets are for so long at most, and a change of certificate makes new ones once in the second. */
export const ticketKeysMs = 12 * 60 * 60 * 1000;
export const ticketKeysPauseMs = 1_000;

/** Users and logins: server/access. */
export const usersMax = 10_000;
export const grantsPerUserMax = 256;
export const certificateRulesPerUserMax = 64;
export const certificateRuleBytesMax = 1024;
/** NIST SP 800-63B: long enough, and whatever characters the user likes. */
export const passwordBytesMin = 8;
export const passwordBytesMax = 1024;
/** Memory one password check may take: what a stored hash may ask for. Ours take 32 MiB. */
export const passwordCheckBytesMax = 256 * 1024 * 1024;
/** Checks at a time: each keeps a core and a thread of the pool, which has four, for some 70 ms. */
export const passwordChecksMax = 2;
/** Checks that wait; of one address; no longer than a session may take to log in. */
export const passwordChecksWaitingMax = 512;
export const passwordChecksWaitingPerAddressMax = 256;
/** Logins one connection may try. */
export const loginAttemptsPerConnectionMax = 5;
/** Wrong passwords without consequence: of an address, and of a user name from anywhere. */
export const missesPerAddressFree = 10;
export const missesPerUserFree = 30;
/** One miss is forgotten after so long. */
export const missForgottenMs = 30_000;
/** Beyond the free ones each doubles the pause, from the first to the last of these. */
export const missPauseMs = 500;
export const missPauseMsMax = 60_000;
/** Tries that are refused unchecked are answered so far apart, all together, and none later than the second. */
export const refusalPaceMs = 5;
export const refusalDelayMsMax = 2_000;
/** Addresses, and names, whose misses are remembered; the least guilty is forgotten for another. */
export const missesRememberedMax = 10_000;

/** Certificate store and authority: server/certificate/store. */
export const certificatesStoredMax = 1024;
export const certificateNameCharsMax = 128;
/** Certificates from a leaf to its root, both counted. */
export const certificateChainDepthMax = 10;
/** Earlier certificates of one entry that can be gone back to. */
export const certificateVersionsKeptMax = 8;
/** All that a local authority ever issued: its index is one file and read whole. */
export const certificatesIssuedMax = 20_000;
export const alternativeNamesMax = 256;
/** Ten years: no certificate or revocation list of the local authority is valid for longer. */
export const certificateDaysMax = 3653;

/** Client certificates and revocation: server/certificate/trust, server/net, client. */
/** Certificates between a client's own and its root; more can be allowed by an option up to the second. */
export const certificateDepthDefault = 4;
export const certificateDepthMax = 10;
/** Alternative names of one certificate that are looked at. */
export const certificateNamesMax = 64;
/** Certificates of a peer's chain that are looked at, whatever it sent. */
export const presentedCertificatesMax = 16;
/** Revocation lists: one file, entries of one list, lists in use together. */
export const revocationFileBytesMax = 16 * 1024 * 1024;
export const revocationEntriesMax = 200_000;
export const revocationListsMax = 256;
/** Questions to an OCSP responder: time and size of an answer, clocks that differ, age of what has no end. */
export const ocspTimeoutMs = 3_000;
export const ocspAnswerBytesMax = 64 * 1024;
export const ocspClockSkewMs = 5 * 60 * 1000;
export const ocspAgeMsMax = 60 * 60 * 1000;
/** Answers kept, and for how long at most, whatever they say of themselves. */
export const ocspAnswersKeptMax = 1_000;
export const ocspKeptMsMax = 60 * 60 * 1000;
/** How long judging a client certificate may take in all, the responder included. */
export const certificateJudgeMs = 8_000;
/** The file of refusals is put aside at this size; one older one is kept. */
export const refusalFileBytesMax = 1024 * 1024;
/** One kept refusal; what a stranger sent is cut before. */
export const refusalTextCharsMax = 512;

/** Rounds by which a PKCS#12 file makes a key of its passphrase; more would keep us busy for hours. */
export const pkcs12RoundsMax = 5_000_000;

/** State directory: server/state. */
/** One file of it is read whole. */
export const stateFileBytesMax = 16 * 1024 * 1024;
/** How long a change waits for another process that changes the same state, and how often it looks. */
export const stateLockWaitMs = 5_000;
export const stateLockPollMs = 10;
/** A lock on the state that is older was left behind; changes take milliseconds. */
export const stateLockAbandonedMs = 60_000;
/** How often a running server looks whether the state has changed. */
export const stateWatchMs = 500;

/** Diagnosis: server/diagnose. One handshake of `audit tls`. */
export const probeHandshakeMs = 1_500;
/** Clients seen lately that are remembered, and how often they are written down: server/observe. */
export const clientsRememberedMax = 1_000;
export const clientsSavedMs = 30_000;
/** Addresses with each protocol that are counted, and users named for one: server/observe. */
export const usagePeersMax = 1_000;
export const usageUsersMax = 16;
