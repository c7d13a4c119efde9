/** One after the other: both deploy to the same hosts. Jest runs other files beside this one. */
import "./first-light.ts";
import "./failures.ts";
import "./routing.ts";
import "./engines.ts";
