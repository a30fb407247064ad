/** What this tab is called at the lab, so that its newer requests take the place of older ones, and of nobody else's. */
import { freshKey } from './keys';

export const tab = freshKey();
