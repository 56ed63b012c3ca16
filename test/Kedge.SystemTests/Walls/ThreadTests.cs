namespace Kedge.SystemTests.Walls;

/// <summary>Threads are made in one place, where no exception of theirs ends the process.</summary>
public class ThreadTests
{
    private const string Place = "src/Kedge.Threading/DedicatedThread.cs";

    // The library's key generation needs a large stack, calls no code of ours, and Kedge.Crypto refers to nothing.
    private const string Exception = "src/Kedge.Crypto/Kem/McEliece/NativeMcEliece460896.cs";

    [Fact]
    public void Threads_are_made_by_DedicatedThread_alone()
    {
        string[] makers =
        [
            .. from file in Directory.EnumerateFiles(Repository.PathOf("src"), "*.cs", SearchOption.AllDirectories)
               where File.ReadAllText(file).Contains("new Thread(", StringComparison.Ordinal)
               select Path.GetRelativePath(Repository.PathOf("."), file) into file
               where !file.Contains("/obj/", StringComparison.Ordinal)
               orderby file
               select file,
        ];

        Assert.Equal([Exception, Place], makers);
    }
}
