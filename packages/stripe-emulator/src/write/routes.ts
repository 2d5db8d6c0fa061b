import type { Route } from '../api/routes.ts';
import { webhookRoutes } from '../webhooks/routes.ts';
import { catalogueRoutes } from './catalogue-routes.ts';
import { clockRoutes } from './clocks.ts';
import { customerRoutes } from './customer-routes.ts';
import { invoiceRoutes } from './invoice-routes.ts';
import { paymentMethodRoutes } from './payment-methods.ts';
import { paymentRoutes } from './payment-routes.ts';
import { subscriptionRoutes } from './subscription-routes.ts';

/** All paths that change something. */
export const writeRoutes: readonly Route[] = [
  ...customerRoutes,
  ...catalogueRoutes,
  ...paymentMethodRoutes,
  ...paymentRoutes,
  ...subscriptionRoutes,
  ...invoiceRoutes,
  ...clockRoutes,
  ...webhookRoutes,
];
