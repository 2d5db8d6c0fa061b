import type { CatalogTable, ColumnType } from '../catalog.ts';

const columns = (
  list: readonly (readonly [string, ColumnType])[],
): readonly { readonly name: string; readonly type: ColumnType; readonly nullable: boolean }[] =>
  list.map(([name, type]) => ({ name, type, nullable: true }));

/**
 * Objects of APIs that Stripe has removed, in tdog 0.7's columns. Their tables are made when the API version is one
 * that still had them, or when an event of such an object is seen: no account that is newer ever shows them.
 */
export const LEGACY_TABLES: readonly CatalogTable[] = [
  {
    table: 'orders',
    object: 'order',
    core: false,
    group: 'legacy',
    kind: 'top',
    path: '/v1/orders',
    retrievePath: '/v1/orders/{id}',
    created: true,
    columns: columns([
      ['amount', 'integer'],
      ['amount_returned', 'integer'],
      ['application', 'text'],
      ['application_fee', 'integer'],
      ['charge', 'expandable-id'],
      ['created', 'timestamp'],
      ['currency', 'text'],
      ['customer', 'expandable-id'],
      ['email', 'text'],
      ['external_coupon_code', 'text'],
      ['id', 'text'],
      ['items', 'json'],
      ['livemode', 'boolean'],
      ['metadata', 'json'],
      ['returns', 'json'],
      ['selected_shipping_method', 'text'],
      ['shipping', 'json'],
      ['shipping_methods', 'json'],
      ['status', 'text'],
      ['status_transitions', 'json'],
      ['updated', 'timestamp'],
      ['upstream_id', 'text'],
    ]),
    nestedLists: [
      {
        property: 'returns',
        maxInline: 10,
        path: '/v1/order_returns?order={id}',
        childTable: 'order_returns',
        includedByDefault: true,
      },
    ],
  },
  {
    table: 'order_returns',
    object: 'order_return',
    core: false,
    group: 'legacy',
    kind: 'top',
    path: '/v1/order_returns',
    retrievePath: '/v1/order_returns/{id}',
    created: true,
    columns: columns([
      ['amount', 'integer'],
      ['created', 'timestamp'],
      ['currency', 'text'],
      ['id', 'text'],
      ['items', 'json'],
      ['livemode', 'boolean'],
      ['refund', 'expandable-id'],
    ]),
  },
  {
    table: 'skus',
    object: 'sku',
    core: false,
    group: 'legacy',
    kind: 'top',
    path: '/v1/skus',
    retrievePath: '/v1/skus/{id}',
    deletable: true,
    deleteEvents: ['sku.deleted'],
    columns: columns([
      ['active', 'boolean'],
      ['attributes', 'json'],
      ['created', 'timestamp'],
      ['currency', 'text'],
      ['id', 'text'],
      ['image', 'text'],
      ['inventory', 'json'],
      ['livemode', 'boolean'],
      ['metadata', 'json'],
      ['package_dimensions', 'json'],
      ['price', 'integer'],
      ['product', 'expandable-id'],
      ['updated', 'timestamp'],
    ]),
  },
];
