// Constants of the file format (README.md has the tables). On disk: never change a value; a new
// meaning needs a new FORMAT_VERSION and a reader that still knows this one.

/** Version this program writes, and the newest it reads. */
export const FORMAT_VERSION = 1;
/** First bytes of the definition entry: this LMDB file is one of ours. */
export const FORMAT_MAGIC = 'RSYNDISM';

/** Names of the LMDB databases inside a file; indexes are `key0`, `key1`, … */
export const TABLE_HEADER = 'header';
export const TABLE_BLOCKS = 'blocks';
export const TABLE_LARGE = 'large';
export const TABLE_FREE = 'free';
export const indexTableName = (key: number): string => `key${key}`;

/** Keys in `header`. */
export const ENTRY_DEFINITION = 'definition';
export const ENTRY_COUNTERS = 'counters';
export const ENTRY_IDENTITY = 'identity';
/** Random bytes that tell a file from all others, but for its copies. Older files have none. */
export const IDENTITY_BYTES = 16;

export const BLOCK_NUMBER_BYTES = 5;
export const ADDRESS_BYTES = 6;
export const BLOCK_NUMBER_MAX = 2 ** 40 - 1;
/** Block numbers begin here, so that 0 means none. */
export const FIRST_BLOCK = 1;

export const PAGE_BYTES = 4096;
/** What LMDB (data version 2) keeps of a run of pages for itself. */
export const PAGE_OVERHEAD_BYTES = 24;

/** Block: header, directory, gap, records. See block-reader.ts for the drawing. */
export const BLOCK_HEADER_BYTES = 12;
export const AT_CRC = 0;
export const AT_SLOTS = 4;
export const AT_USED = 5;
export const AT_FLAGS = 6;
export const AT_LOW = 8;
export const AT_LIVE = 10;
/** Flag of a block: it is listed in `free`. */
export const FLAG_LISTED = 1;
/** Slots of a block, 0-254: their number fits a byte, and so does the count of them. */
export const SLOTS_MAX = 255;
export const SLOT_ENTRY_BYTES = 4;
/** In the length of a slot: its record is in `large`. */
export const LARGE_MARK = 0x8000;

/** Slot: CRC of the record, insertion numbers, record. */
export const CRC_BYTES = 4;
export const STORED_INSERTION_BYTES = 6;
