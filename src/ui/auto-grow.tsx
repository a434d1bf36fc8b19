// Owns a box for text that is as high as its text, within bounds set by its style.
import {
  useEffect,
  useLayoutEffect,
  useRef,
  type ClipboardEvent,
  type KeyboardEvent,
  type ReactNode,
  type RefObject,
} from "react";

export function AutoGrow(props: {
  readonly label: string;
  readonly value: string;
  readonly placeholder?: string;
  /** Takes the focus when it appears, with the cursor at the end. */
  readonly focus?: boolean;
  readonly box?: RefObject<HTMLTextAreaElement | null>;
  readonly hint?: "send" | "enter";
  readonly onChange: (value: string) => void;
  readonly onKeyDown?: (event: KeyboardEvent<HTMLTextAreaElement>) => void;
  readonly onPaste?: (event: ClipboardEvent<HTMLTextAreaElement>) => void;
}): ReactNode {
  const own = useRef<HTMLTextAreaElement>(null);
  const box = props.box ?? own;
  const { value, focus } = props;

  useLayoutEffect(() => {
    const area = box.current;
    if (area === null) return;
    area.style.height = "auto";
    area.style.height = `${area.scrollHeight}px`;
  }, [box, value]);
  useEffect(() => {
    const area = box.current;
    if (focus !== true || area === null) return;
    area.focus({ preventScroll: true });
    area.setSelectionRange(area.value.length, area.value.length);
  }, [box, focus]);

  return (
    <textarea
      ref={box}
      className="tl-textarea"
      rows={1}
      dir="auto"
      aria-label={props.label}
      placeholder={props.placeholder}
      enterKeyHint={props.hint}
      value={value}
      onInput={(event) => props.onChange(event.currentTarget.value)}
      onKeyDown={props.onKeyDown}
      onPaste={props.onPaste}
    />
  );
}
