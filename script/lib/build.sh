# What the scripts share. To be sourced, with the repository's root as the working folder.

export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1
readonly configuration=Release

# build VERB PROJECT [OPTION...]: runs dotnet VERB. One build at a time in this tree, no server stays behind, and a build that was
# killed is done again from the start, because nobody knows which of its files are whole.
build() {
    local unfinished=out/.building verb=$1 project=$2
    shift 2
    mkdir -p out
    exec 9>out/.lock
    flock 9
    local code=0
    if [[ -e $unfinished ]]; then
        dotnet build "$project" -p:Configuration="$configuration" --no-incremental --disable-build-servers -v quiet 9>&- || code=$?
    fi
    touch "$unfinished"
    ((code)) || dotnet "$verb" "$project" -p:Configuration="$configuration" --disable-build-servers -v quiet "$@" 9>&- || code=$?
    rm "$unfinished"
    exec 9>&-
    return "$code"
}

# sources_newer_than FILE FOLDER...: whether anything that goes into a build of these folders has changed since FILE was touched.
sources_newer_than() {
    local file=$1
    shift
    [[ -n $(find "$@" build Directory.* global.json .editorconfig \( -name bin -o -name obj \) -prune -o -type f -newer "$file" -print -quit) ]]
}
