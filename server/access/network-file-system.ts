// Is a path on a network file system? Then a "local" open of it is a remote route like any other: its
// bytes cross a network that we do not encrypt. Decided by statfs(2) magic numbers (linux/magic.h and
// the file systems' own headers); FUSE is asked for its mount's type, since it serves local disks too.

import { readFileSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';

/** NFS, SMB, CIFS, SMB2, 9p, AFS, Coda, Ceph, Lustre, GPFS. */
const NETWORK_MAGIC: ReadonlySet<number> = new Set([
  0x6969, 0x517b, 0xff534d42, 0xfe534d42, 0x01021997, 0x5346414f, 0x6b414653, 0x73757245,
  0x00c36400, 0x0bd00bd0, 0x47504653,
]);
const FUSE_MAGIC = 0x65735546;

/** FUSE file systems that only wrap local disks; any other counts as a network. */
const LOCAL_FUSE: ReadonlySet<string> = new Set([
  'fuseblk',
  'fuse.ntfs-3g',
  'fuse.exfat',
  'fuse.fuse-overlayfs',
  'fuse.mergerfs',
  'fuse.gocryptfs',
  'fuse.encfs',
  'fuse.bindfs',
  'fuse.lxcfs',
]);

/** What the question needs of the system; tests bring their own. */
export interface FileSystemFacts {
  /** `type` of statfs(2) for the path. */
  magicOf(path: string): number;
  /** Text of /proc/self/mounts. */
  mounts(): string;
}

export const systemFacts: FileSystemFacts = {
  magicOf: (path) => statfsSync(path).type >>> 0,
  mounts: () => readFileSync('/proc/self/mounts', 'utf8'),
};

/** True when the file at `path` (absolute, real), or where it would be, lies across a network. */
export function isOnNetworkFileSystem(path: string, facts: FileSystemFacts = systemFacts): boolean {
  const magic = facts.magicOf(dirname(path)) >>> 0;
  if (NETWORK_MAGIC.has(magic)) return true;
  return magic === FUSE_MAGIC && !LOCAL_FUSE.has(mountTypeOf(path, facts.mounts()));
}

/** Type of the mount that holds `path`: the longest mount point above it, the last one mounted there. */
function mountTypeOf(path: string, mounts: string): string {
  let best = { point: '', type: '' };
  for (const line of mounts.split('\n')) {
    const [, rawPoint = '', type = ''] = line.split(' ');
    const point = rawPoint.replace(/\\(\d{3})/g, (_, octal) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    const holds = point === '/' || path === point || path.startsWith(`${point}/`);
    if (holds && point.length >= best.point.length) best = { point, type };
  }
  return best.type;
}
