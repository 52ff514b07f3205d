/* What scripts add to pages that read well without them: news as it comes, and evidence without leaving the page. */
import { follow } from "./live.js";
import { openInPlace } from "./evidence.js";

follow();
openInPlace();
