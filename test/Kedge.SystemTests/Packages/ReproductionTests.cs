namespace Kedge.SystemTests.Packages;

/// <summary>The same program packed twice.</summary>
[Collection(nameof(PackageTests))]
public sealed class ReproductionTests(BuiltPackages packages)
{
    // The same tree, seen at another path; with another user's settings.
    private const string Script =
        """
        set -eu
        mount --bind "$1" /mnt
        shift
        umask 077
        export TZ=Asia/Tokyo LANG=C.UTF-8 HOME=/mnt/nowhere KEDGE_QUEUES=3 XZ_OPT=-9 GZIP=-1 SOURCE_DATE_EPOCH=
        unset SOURCE_DATE_EPOCH
        exec /mnt/script/package "$@"
        """;

    [Fact]
    public void The_same_program_gives_the_same_bytes_in_another_folder_and_environment()
    {
        string again = Path.Combine(packages.TempFolder, "again");

        BuiltPackages.Run(
            "unshare", "--mount", "--uts", "sh", "-c", $"hostname elsewhere\n{Script}", "sh", Repository.Root,
            "--out", again, "--version", BuiltPackages.Version, "--compression", "0", "--key", packages.Key, "deb", "rpm", "tarball");

        Assert.Equal(Sums(packages.Folder), Sums(again));
    }

    // A line a file: name, size and digest.
    private static string[] Sums(string folder) =>
        BuiltPackages.Run("sh", "-c", "cd \"$1\" && sha256sum -- *", "sh", folder).Split('\n');
}
