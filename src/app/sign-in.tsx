// Owns the question who it is: the ways to sign in, in a dialog or, where guests are not let in, on a page of their own.
import { useState, type ReactNode } from "react";
import { useClient, useConnection, usePerson, useReadable } from "../react/index.ts";
import { ConnectionBanner } from "../ui/connection.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { useUi } from "../ui/ui.tsx";
import type { Facts, Way } from "./facts.ts";
import { place } from "./place.ts";
import type { Keeper } from "./sign-in-keeper.ts";
import { problemText } from "./sign-in-problem.ts";

type Props = { readonly facts: Facts; readonly keeper: Keeper };

export function SignIn(props: Props & { readonly close: () => void }): ReactNode {
  const { texts } = useUi();
  const mustSignIn = useConnection().kind === "signed-out";
  return (
    <Dialog title={mustSignIn ? texts.signInTitle : texts.signIn} close={props.close}>
      <Ways {...props} done={props.close} />
    </Dialog>
  );
}

export function SignInScreen(props: Props): ReactNode {
  const { texts } = useUi();
  const { kind } = useConnection();
  return (
    <main className="app-door">
      <h1>Throughline</h1>
      <h2>{texts.signInTitle}</h2>
      {kind !== "signed-out" && <ConnectionBanner />}
      <Ways {...props} done={() => undefined} />
    </main>
  );
}

/** What a person may choose from. `done`: somebody comes in. */
function Ways({ facts, keeper, done }: Props & { readonly done: () => void }): ReactNode {
  const { texts } = useUi();
  const client = useClient();
  const person = usePerson();
  const signedOut = useConnection().kind === "signed-out";
  const problem = useReadable(keeper.problem);
  const busy = useReadable(keeper.busy);
  const { guests, signIn: ways } = facts;
  return (
    <div className="app-ways">
      {problem !== undefined && (
        <p className="app-problem" role="alert" dir="auto">
          {problemText(texts, problem)}
        </p>
      )}
      {person?.guest === true && ways.length > 0 && <p>{texts.guestComesAlong}</p>}
      {ways.map((way) =>
        way.kind === "oidc" ? (
          <button
            key={way.issuer}
            type="button"
            className="tl-button tl-primary"
            disabled={busy}
            onClick={() => void keeper.withIssuer(way, place.getSnapshot())}
          >
            {texts.signInWith(nameOf(way, ways))}
          </button>
        ) : (
          <PasswordForm key={way.key} way={way} keeper={keeper} done={done} />
        ),
      )}
      {guests && signedOut && (
        <button
          type="button"
          className="tl-button"
          disabled={busy}
          onClick={() => {
            client.signIn();
            done();
          }}
        >
          {texts.asGuest}
        </button>
      )}
      {!guests && ways.length === 0 && <p>{texts.signInElsewhere}</p>}
      <p className="tl-hidden" role="status">
        {busy ? texts.signingIn : ""}
      </p>
    </div>
  );
}

/** An issuer as people know it: by its host, and by its path where the host has several. */
function nameOf({ issuer }: { readonly issuer: string }, ways: readonly Way[]): string {
  const { host, pathname } = new URL(issuer);
  const same = ways.filter((way) => way.kind === "oidc" && new URL(way.issuer).host === host);
  return same.length > 1 ? `${host}${pathname}` : host;
}

function PasswordForm(props: {
  readonly way: Extract<Way, { kind: "firebase" }>;
  readonly keeper: Keeper;
  readonly done: () => void;
}): ReactNode {
  const { way, keeper, done } = props;
  const { texts } = useUi();
  const client = useClient();
  const busy = useReadable(keeper.busy);
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const submit = async (): Promise<void> => {
    const is = await keeper.withPassword(way, email.trim(), password);
    setPassword("");
    if (!is) return;
    client.signIn(keeper.token);
    done();
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (!busy) void submit();
      }}
    >
      <label className="app-field">
        <span>{texts.email}</span>
        <input
          type="email"
          name="email"
          autoComplete="username"
          required
          dir="ltr"
          value={email}
          onChange={(event) => setEmail(event.currentTarget.value)}
        />
      </label>
      <label className="app-field">
        <span>{texts.password}</span>
        <input
          type="password"
          name="password"
          autoComplete="current-password"
          required
          dir="ltr"
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
        />
      </label>
      <button type="submit" className="tl-button tl-primary" disabled={busy}>
        {busy ? texts.signingIn : texts.signIn}
      </button>
    </form>
  );
}
