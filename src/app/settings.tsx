// Owns the settings of a person: appearance, language, account, and the way out.
import { useEffect, useState, type ReactNode } from "react";
import { useClient, usePerson, useReadable } from "../react/index.ts";
import { Dialog } from "../ui/dialog.tsx";
import { languages, type Language } from "../ui/language.ts";
import { nameOf } from "../ui/texts.ts";
import { useUi } from "../ui/ui.tsx";
import type { Facts } from "./facts.ts";
import { choose, preferences, type Theme } from "./preferences.ts";
import { Sessions } from "./sessions.tsx";
import type { Keeper } from "./sign-in-keeper.ts";
import type { YourData } from "./your-data.tsx";

const themes: readonly Theme[] = ["system", "light", "dark"];

export function Settings(props: {
  readonly close: () => void;
  readonly shortcuts: () => void;
  readonly facts: Facts;
  readonly keeper: Keeper;
  /** Asks a guest who it is. */
  readonly signIn: () => void;
}): ReactNode {
  const { texts, fail } = useUi();
  const client = useClient();
  const person = usePerson();
  const { theme, language } = useReadable(preferences);
  const leave = (everywhere: boolean): void => {
    props.close();
    props.keeper.leave();
    client.logout(everywhere).catch(fail);
  };
  const gone = (): void => leave(false);
  const [Data, setData] = useState<typeof YourData>();
  useEffect(() => {
    // Few need it, and then not at once.
    import("./your-data.tsx").then((part) => setData(() => part.YourData), fail);
  }, [fail]);
  return (
    <Dialog title={texts.settings} close={props.close}>
      <fieldset className="app-choice">
        <legend>{texts.theme}</legend>
        {themes.map((name) => (
          <label key={name}>
            <input type="radio" name="theme" checked={theme === name} onChange={() => choose({ theme: name })} />
            <span>{texts.themes[name]}</span>
          </label>
        ))}
      </fieldset>
      <label className="app-field">
        <span>{texts.language}</span>
        <select
          value={language}
          onChange={(event) => {
            const chosen = Object.keys(languages).find((name): name is Language => name === event.currentTarget.value);
            choose({ language: chosen ?? "device" });
          }}
        >
          <option value="device">{texts.languageOfDevice}</option>
          {Object.entries(languages).map(([name, own]) => (
            <option key={name} value={name} lang={name}>
              {own}
            </option>
          ))}
        </select>
      </label>
      <section className="app-account" aria-label={texts.account}>
        <p dir="auto">{nameOf(person, texts)}</p>
        {person?.guest === true && props.facts.signIn.length > 0 && (
          <button type="button" className="tl-button tl-primary" onClick={props.signIn}>
            {texts.signIn}
          </button>
        )}
        <button type="button" className="tl-button" onClick={() => leave(false)}>
          {texts.signOut}
        </button>
        <button type="button" className="tl-button" onClick={() => leave(true)}>
          {texts.signOutEverywhere}
        </button>
      </section>
      <Sessions />
      {Data !== undefined && <Data gone={gone} />}
      <footer className="app-settings-foot">
        <button type="button" className="tl-text-button" onClick={props.shortcuts}>
          {texts.shortcuts}
        </button>
        <span>{`Throughline ${props.facts.version}`}</span>
      </footer>
    </Dialog>
  );
}
