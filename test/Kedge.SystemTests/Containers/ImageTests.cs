using System.Formats.Tar;
using Kedge.Demo;

namespace Kedge.SystemTests.Containers;

/// <summary>What <c>deploy/container/image</c> makes.</summary>
[Collection(ContainerCollection.Name)]
public sealed class ImageTests(ContainerImage image)
{
    private const long MostBytes = 70_000_000;

    [Fact]
    public void The_image_is_small_and_has_nothing_that_gives_privileges()
    {
        Assert.InRange(new FileInfo(image.Archive).Length, 1, MostBytes);
        using var archive = new TarReader(File.OpenRead(image.Archive));
        int files = 0;
        while (archive.GetNextEntry() is { } entry)
        {
            if (!entry.Name.EndsWith("/layer.tar", StringComparison.Ordinal))
                continue;
            using var layer = new TarReader(entry.DataStream!);
            for (; layer.GetNextEntry() is { } file; files++)
                Assert.False(file.Mode.HasFlag(UnixFileMode.SetUser) || file.Mode.HasFlag(UnixFileMode.SetGroup), file.Name);
        }
        Assert.NotEqual(0, files);
    }

    [Fact]
    [Trait("Category", "Soak")]
    public void The_same_input_makes_the_same_bytes()
    {
        using Topology net = Topology.Create(); // for its folder
        string[] archives = [Path.Combine(net.TempFolder, "first.tar"), Path.Combine(net.TempFolder, "second.tar")];
        foreach (string archive in archives)
            ContainerImage.Make(archive);
        Assert.Equal(File.ReadAllBytes(archives[0]), File.ReadAllBytes(archives[1]));
    }

    [Theory]
    [InlineData("takes one argument")]
    [InlineData("/nonexistent is no folder", "/nonexistent/kedge.tar")]
    public void A_call_that_cannot_be_served_is_explained(string expected, params string[] arguments)
    {
        CommandResult result = RunningProcess.Run(new Command([Repository.PathOf("deploy/container/image"), .. arguments]));
        Assert.NotEqual(0, result.ExitCode);
        Assert.Contains(expected, result.Error, StringComparison.Ordinal);
    }
}
