// Owns the question who it is, after a sign-out or where guests are not let in.
import type { ReactNode } from "react";
import { useClient } from "../react/index.ts";
import { Dialog } from "../ui/dialog.tsx";
import { useUi } from "../ui/ui.tsx";
import type { Facts } from "./facts.ts";

export function SignIn({ facts, close }: { readonly facts: Facts; readonly close: () => void }): ReactNode {
  const { texts } = useUi();
  const client = useClient();
  return (
    <Dialog title={texts.signInTitle} close={close}>
      {facts.guests ? (
        <button
          type="button"
          className="tl-button tl-primary"
          onClick={() => {
            client.signIn();
            close();
          }}
        >
          {texts.asGuest}
        </button>
      ) : (
        <p>{texts.signInElsewhere}</p>
      )}
    </Dialog>
  );
}
