/** What can be wrong, see {@link SearchIndexError}. */
export type SearchIndexErrorCode =
  | 'SEARCH_INDEX_OPTIONS'
  | 'SEARCH_INDEX_TABLE_MISSING'
  | 'SEARCH_INDEX_TABLE_KIND'
  | 'SEARCH_INDEX_COLUMN_MISSING'
  | 'SEARCH_INDEX_NAME_TAKEN'
  | 'SEARCH_INDEX_FTS5_MISSING';

/** The error of this package; compare `code`. */
export class SearchIndexError extends Error {
  readonly code: SearchIndexErrorCode;

  constructor(code: SearchIndexErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SearchIndexError';
    this.code = code;
  }
}
