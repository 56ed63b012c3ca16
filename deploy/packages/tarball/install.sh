#!/bin/sh
# Installs Kedge from the folder that this script is in, or removes it again. Enables and starts nothing.
#
# Usage: install.sh [--prefix DIR]              DIR is /usr/local unless given
#        install.sh --uninstall [--prefix DIR]  removes what an installation there has put there, and nothing else
set -eu

fail() {
    echo "install.sh: $2" >&2
    exit "$1"
}

prefix=/usr/local
uninstall=false
while [ $# -gt 0 ]; do
    case $1 in
        --prefix)
            [ $# -gt 1 ] || fail 2 "--prefix needs a folder."
            prefix=$2
            shift
            ;;
        --prefix=*) prefix=${1#--prefix=} ;;
        --uninstall) uninstall=true ;;
        --help | -h)
            sed -n '2,5s/^# \{0,1\}//p' "$0"
            exit 0
            ;;
        *) fail 2 "'$1' is not an option: use --prefix DIR or --uninstall." ;;
    esac
    shift
done
case $prefix in
    /*) prefix=${prefix%/} ;;
    *) fail 2 "'$prefix' is not an absolute path." ;;
esac
# What an installation has made, one path a line, relative to the prefix, a folder before what is in it and with a slash at its end.
list=share/doc/kedge/installed

# Prints the processes that run the installed program.
running() {
    for executable in /proc/[0-9]*/exe; do
        # A program that was replaced is followed by " (deleted)".
        case $(readlink "$executable" 2>/dev/null) in
            "$1" | "$1 "*) basename "$(dirname "$executable")" ;;
        esac
    done
}

if $uninstall; then
    [ -f "$prefix/$list" ] || fail 1 "There is no installation in '$prefix': $prefix/$list is missing."
    processes=$(running "$(realpath "$prefix/bin/kedge")" | xargs)
    [ -z "$processes" ] || fail 1 "Kedge is running (process $processes). End it first: 'kedge service uninstall', 'kedge down'."
    # Backwards: files before the folders that they are in.
    tac "$prefix/$list" | while IFS= read -r path; do
        case $path in
            */) rmdir "$prefix/$path" 2>/dev/null || true ;;
            *) rm -f "$prefix/$path" ;;
        esac
    done
    echo "Kedge is removed from $prefix. Settings in /etc/kedge and state in /var/lib/kedge and /var/lib/kedge-controller are kept."
    exit 0
fi

cd "$(dirname "$0")/root"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C
find . -mindepth 1 ! -type d | sed 's|^\./||' | sort >"$work/files"
find . -mindepth 1 -type d | sed 's|^\./||; s|$|/|' | sort >"$work/folders"

# An earlier installation's folders are this one's too.
touch "$work/before"
[ ! -f "$prefix/$list" ] || cp "$prefix/$list" "$work/before"
grep '/$' "$work/before" >"$work/made" || true
mkdir -p "$prefix"
while IFS= read -r path; do
    [ -d "$prefix/$path" ] || { mkdir -m 755 "$prefix/$path" && echo "$path" >>"$work/made"; }
done <"$work/folders"

# The list first, so that what a failure leaves half done can be removed.
{ sort -u "$work/made"; cat "$work/files"; echo "$list"; } >"$prefix/$list.new"
mv -f "$prefix/$list.new" "$prefix/$list"
while IFS= read -r path; do
    # By rename: a program that runs keeps its file.
    cp -P "$path" "$prefix/$path.new"
    mv -f "$prefix/$path.new" "$prefix/$path"
done <"$work/files"
# Files of the earlier installation that this one no longer has.
grep -v '/$' "$work/before" | sort | comm -23 - "$work/files" | grep -Fxv "$list" | while IFS= read -r path; do
    rm -f "$prefix/$path"
done

cat <<NEXT
Kedge is installed in $prefix. Nothing runs yet. What to do next:
  kedge service install controller --listen 0.0.0.0:8443 --url https://NAME:8443    on the controller's machine
  kedge service install node --join-file FILE                                       on each node
  man kedge
NEXT
