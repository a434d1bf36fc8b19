// Owns what every part of the UI needs around it: texts, formats of the language, announcements and toasts. It knows no conversation.
import {
  createContext,
  useCallback,
  useContext,
  useEffect,
  useId,
  useMemo,
  useRef,
  useState,
  type ReactNode,
} from "react";
import { failureText } from "./failure.ts";
import { useKeptFocus } from "./focus.ts";
import type { Formats } from "./formats.ts";
import { Icon } from "./icon.tsx";
import type { Texts } from "./texts.ts";

/** A passing word at the edge of the screen. `action`: what the one button of it does. */
type Toast = {
  readonly text: string;
  readonly alert?: boolean;
  readonly action?: { readonly label: string; readonly run: () => void };
};

export type Ui = {
  readonly texts: Texts;
  readonly formats: Formats;
  /** Tells screen readers, politely. */
  readonly announce: (text: string) => void;
  readonly toast: (toast: Toast) => void;
  /** Tells that something asked for was refused, and why. */
  readonly fail: (error: unknown) => void;
  /** The person points with a finger: Enter breaks the line, and no focus is set that would bring up the keyboard. */
  readonly touch: boolean;
};

const UiContext = createContext<Ui | undefined>(undefined);

export function useUi(): Ui {
  const ui = useContext(UiContext);
  if (ui === undefined) throw new Error("There is no UiProvider above this component.");
  return ui;
}

/** How long (ms) a toast stays; longer where it can be answered, or has to be understood. */
const toastTime = { plain: 4000, long: 7000 };

export function UiProvider(props: {
  readonly texts: Texts;
  readonly formats: Formats;
  readonly children: ReactNode;
}): ReactNode {
  const { texts, formats } = props;
  const [said, setSaid] = useState("");
  const [toasts, setToasts] = useState<readonly (Toast & { readonly id: number })[]>([]);
  const count = useRef(0);
  const announce = useCallback((text: string) => {
    // The same words twice are read twice only if they differ: a space at the end does it.
    setSaid((before) => (before === text ? `${text}\u00A0` : text));
  }, []);
  const drop = useCallback((id: number) => setToasts((all) => all.filter((one) => one.id !== id)), []);
  const toast = useCallback((one: Toast) => {
    const id = ++count.current;
    setToasts((all) => [...all.slice(-2), { ...one, id }]);
  }, []);
  const fail = useCallback(
    (error: unknown) => toast({ text: failureText(texts, formats, error), alert: true }),
    [toast, texts, formats],
  );
  const box = useRef<HTMLDivElement>(null);
  /** Where the focus was before it came to a toast: there it goes again when the last one is answered. */
  const former = useRef<HTMLElement>(undefined);
  useKeptFocus(box, () => box.current?.querySelector("button") ?? former.current);
  const touch = useMemo(() => matchMedia("(pointer: coarse)").matches, []);
  const ui = useMemo(
    () => ({ texts, formats, announce, toast, fail, touch }),
    [texts, formats, announce, toast, fail, touch],
  );
  return (
    <UiContext.Provider value={ui}>
      {props.children}
      <div className="tl-hidden" role="status" aria-live="polite">
        {said}
      </div>
      <div
        ref={box}
        className="tl-toasts"
        onFocus={({ relatedTarget }) => {
          const outside = relatedTarget instanceof HTMLElement && box.current?.contains(relatedTarget) === false;
          if (outside) former.current = relatedTarget;
        }}
      >
        {toasts.map((one) => (
          <ToastItem key={one.id} toast={one} close={() => drop(one.id)} label={texts.close} />
        ))}
      </div>
    </UiContext.Provider>
  );
}

function ToastItem({ toast, close, label }: { toast: Toast; close: () => void; label: string }): ReactNode {
  const latest = useRef(close);
  latest.current = close;
  const [held, hold] = useState(false);
  useEffect(() => {
    if (held) return undefined;
    const isLong = toast.action !== undefined || toast.alert === true;
    const timer = setTimeout(() => latest.current(), isLong ? toastTime.long : toastTime.plain);
    return () => clearTimeout(timer);
  }, [held, toast]);
  const { action } = toast;
  const id = useId();
  return (
    <div
      className="tl-toast"
      role={toast.alert === true ? "alert" : "status"}
      onMouseEnter={() => hold(true)}
      onMouseLeave={() => hold(false)}
      onFocus={() => hold(true)}
      onBlur={() => hold(false)}
    >
      <span id={id}>{toast.text}</span>
      {action !== undefined && (
        <button
          type="button"
          className="tl-text-button"
          aria-describedby={id}
          onClick={() => {
            action.run();
            close();
          }}
        >
          {action.label}
        </button>
      )}
      <IconButton icon="close" label={label} onClick={close} />
    </div>
  );
}

/** A button that is a drawing; its label is read and shown on hover. */
export function IconButton(props: {
  readonly icon: Parameters<typeof Icon>[0]["name"];
  readonly label: string;
  readonly onClick: () => void;
  readonly pressed?: boolean;
  readonly expanded?: boolean;
  readonly disabled?: boolean;
  readonly className?: string;
}): ReactNode {
  return (
    <button
      type="button"
      className={`tl-icon-button ${props.className ?? ""}`}
      aria-label={props.label}
      title={props.label}
      aria-pressed={props.pressed}
      aria-expanded={props.expanded}
      disabled={props.disabled}
      onClick={props.onClick}
    >
      <Icon name={props.icon} />
    </button>
  );
}
