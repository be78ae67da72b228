// The public door of the package: everything a program imports from 'rsynd', and nothing else.

export { isRsyndError, RsyndError } from '../shared/base/error.js';
export type { ErrorCode } from '../shared/base/error-code.js';
export type {
  ChannelLock,
  Match,
  OnLocked,
  OpenMode,
  ReadDirection,
  ReadLock,
  ShareMode,
} from '../shared/protocol/message.js';
export type { DateFormat, TimeFormat } from '../shared/record/date-format.js';
export type { FieldDefinition, ValueOf } from '../shared/record/field.js';
export {
  alpha,
  binary,
  boolean,
  ctimestamp,
  date,
  decimal,
  implied,
  integer,
  nocase,
  sequence,
  time,
  timestamp,
  unsigned,
} from '../shared/record/field.js';
export type { FileDefinition, FileOptions, RecordOf } from '../shared/record/file-definition.js';
export { defineFile } from '../shared/record/file-definition.js';
export type { IsamcSpec } from '../shared/record/isamc-spec.js';
export type { KeyDefinition, KeyOf } from '../shared/record/key.js';
export type { Grfa, Rfa } from '../shared/record/rfa.js';
export type { Where } from '../shared/select/builder.js';
export { and, Condition, not, or } from '../shared/select/condition.js';
export type { Scalar } from '../shared/select/expression.js';
export type { Plan } from '../shared/select/query.js';
export type {
  CallLimits,
  Channel,
  CurrentRecord,
  GetfaOption,
  GetOptions,
  LockOptions,
  ReadOptions,
  ReadPlace,
  ReadsOptions,
  StoreOptions,
  WriteOptions,
} from './channel/channel.js';
export type { Connection } from './connect.js';
export { connect } from './connect.js';
export { getfa, isinfo } from './getfa.js';
export { isamc } from './isamc.js';
export { open } from './open.js';
export type {
  ComplianceLevel,
  ConnectOptions,
  OpenOptions,
  PemSource,
  TlsOptions,
} from './open-options.js';
export type {
  Aggregates,
  AnyWhere,
  FieldName,
  Group,
  LockChoice,
  Query,
  Queryable,
  QueryStats,
  Sparse,
} from './select/query.js';
