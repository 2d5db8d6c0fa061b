/** One row of the catalogue, as compact as it can be read. */
export interface TableFacts {
  /** Plural name. */
  readonly table: string;
  /** The objects' `object`. */
  readonly object: string;
  /** top = listed by itself; nested = below a parent; embedded = no endpoint; byId = GET one only; singleton. */
  readonly kind: string;
  /** Path of the list (or of the singleton). */
  readonly path?: string;
  /** false: the list takes no `limit`, `starting_after`, `ending_before`. */
  readonly paginated?: false;
  /** The list takes `created[gt|gte|lt|lte]`. */
  readonly created?: true;
  /** Query parameters besides those of paging. */
  readonly filters?: readonly string[];
  /** Query parameters without which the list answers 400. */
  readonly required?: readonly string[];
  /** Path by which one object is retrieved. */
  readonly retrieve?: string;
  /** A deleted object answers 200 with `{id, object, deleted: true}`. */
  readonly stub?: true;
  /** DELETE exists. */
  readonly deletable?: true;
  /** How ids begin. */
  readonly prefix: string;
  /** Lists inside the object: at most ten items; the rest by path. */
  readonly nested?: readonly { readonly property: string; readonly path: string; readonly inline: boolean }[];
  /** Types of the events that carry the object. */
  readonly events?: readonly string[];
  /**
   * `name:type` separated by blanks. Types: i integer, t timestamp, s text, r real, j json, e expandable id, b boolean;
   * then `~` may be null, `?` may be absent; then `d` text that is a decimal number.
   */
  readonly columns: string;
}
