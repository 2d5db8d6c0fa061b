/** Name of the query parameter that carries a share link. */
export const LINK_PARAMETER = '_share';
