import type { Route } from '../api/routes.ts';
import { webhookRoutes } from '../webhooks/routes.ts';
import { billingRoutes } from './billing-routes.ts';
import { catalogueRoutes } from './catalogue-routes.ts';
import { clockRoutes } from './clocks.ts';
import { customerRoutes } from './customer-routes.ts';
import { paymentMethodRoutes } from './payment-methods.ts';
import { paymentRoutes } from './payment-routes.ts';

/** All paths that change something. */
export const writeRoutes: readonly Route[] = [
  ...customerRoutes,
  ...catalogueRoutes,
  ...paymentMethodRoutes,
  ...paymentRoutes,
  ...billingRoutes,
  ...clockRoutes,
  ...webhookRoutes,
];
