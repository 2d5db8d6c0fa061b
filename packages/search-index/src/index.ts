export { ensureSearchIndex } from './ensure.ts';
export { checkSearchIndex, type SearchIndexProblem } from './check.ts';
export { dropSearchIndex } from './drop.ts';
export { findTables, type WantedColumns } from './find-tables.ts';
export { search } from './search.ts';
export { SearchIndexError, type SearchIndexErrorCode } from './errors.ts';
export type {
  PartSource,
  SearchGroup,
  SearchHit,
  SearchIndexLogger,
  SearchIndexOptions,
  SearchIndexProgress,
  SearchIndexReport,
  SearchOptions,
  SearchTable,
  SqliteDatabase,
  SqliteStatement,
  SqliteValue,
} from './options.ts';
